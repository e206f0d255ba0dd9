package org.yoloddp.detection;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/** Matches detections with labels, rows [class, x1, y1, x2, y2] in the same pixels. */
final class BoxMatcher {

    /** The numbers of IoU thresholds, .5 to .95. */
    static final int THRESHOLDS = 10;

    /**
     * linspace(.5, .95, 10) in float32 as PyTorch rounds it: from both ends, with one step width.
     */
    private static final float[] IOU = new float[THRESHOLDS];

    static {
        float step = (.95f - .5f) / (THRESHOLDS - 1);
        for (int i = 0; i < THRESHOLDS; i++) {
            IOU[i] = i < THRESHOLDS / 2 ? .5f + step * i : .95f - step * (THRESHOLDS - 1 - i);
        }
    }

    /** A label and a detection that overlap. */
    record Pair(int label, int detection, float iou) {}

    private BoxMatcher() {}

    static float threshold(int index) {
        return IOU[index];
    }

    /**
     * For each detection a bit by IoU threshold: set if it is a true positive there. Among the
     * labels of its class a detection takes the one that it overlaps most; of several detections
     * with the same label the first, that is the most confident, counts.
     */
    static int[] truePositives(List<Detection> detections, float[][] labels) {
        int[] masks = new int[detections.size()];
        List<Pair> pairs = overlapping(detections, labels, IOU[0], true, true);
        for (int t = 0; t < THRESHOLDS; t++) {
            float threshold = IOU[t];
            List<Pair> at = pairs.stream().filter(pair -> pair.iou >= threshold).toList();
            for (Pair pair : bestByLabel(bestByDetection(at))) {
                masks[pair.detection] |= 1 << t;
            }
        }
        return masks;
    }

    /** Pairs above an IoU, whatever the classes, each label and each detection at most once. */
    static List<Pair> confusionPairs(List<Detection> detections, float[][] labels, float iou) {
        List<Pair> byDetection =
                bestByDetection(overlapping(detections, labels, iou, false, false));
        return bestByLabel(largestFirst(byDetection));
    }

    private static List<Pair> overlapping(
            List<Detection> detections,
            float[][] labels,
            float threshold,
            boolean inclusive,
            boolean sameClass) {
        List<Pair> pairs = new ArrayList<>();
        for (int l = 0; l < labels.length; l++) {
            float[] row = labels[l];
            for (int d = 0; d < detections.size(); d++) {
                Detection box = detections.get(d);
                if (sameClass && (int) row[0] != box.classIndex()) {
                    continue;
                }
                float iou =
                        Boxes.iou(
                                row[1], row[2], row[3], row[4], box.x1(), box.y1(), box.x2(),
                                box.y2());
                if (inclusive ? iou >= threshold : iou > threshold) {
                    pairs.add(new Pair(l, d, iou));
                }
            }
        }
        return largestFirst(pairs);
    }

    /**
     * Of equal overlaps the later comes first, as when an ascending order is read backwards. Equal
     * ones do occur: labels of one size inside one large detection. The original resolves them by
     * an unstable sort, differently from machine to machine.
     */
    private static List<Pair> largestFirst(List<Pair> pairs) {
        Pair[] sorted = pairs.toArray(Pair[]::new);
        Arrays.sort(sorted, Comparator.comparingDouble(Pair::iou));
        List<Pair> result = new ArrayList<>(sorted.length);
        for (int i = sorted.length - 1; i >= 0; i--) {
            result.add(sorted[i]);
        }
        return result;
    }

    private static List<Pair> bestByDetection(List<Pair> pairs) {
        return firstBy(pairs, Comparator.comparingInt(Pair::detection));
    }

    private static List<Pair> bestByLabel(List<Pair> pairs) {
        return firstBy(pairs, Comparator.comparingInt(Pair::label));
    }

    private static List<Pair> firstBy(List<Pair> pairs, Comparator<Pair> key) {
        Pair[] sorted = pairs.toArray(Pair[]::new);
        Arrays.sort(sorted, key);
        List<Pair> result = new ArrayList<>(sorted.length);
        for (Pair pair : sorted) {
            if (result.isEmpty() || key.compare(result.get(result.size() - 1), pair) != 0) {
                result.add(pair);
            }
        }
        return result;
    }
}
