package org.yoloddp.detection;

import java.util.Arrays;
import java.util.List;

/**
 * What the metrics need of one image: small, and the same whoever computed it.
 *
 * @param image the image's number in the data set
 * @param confidences by detection, most confident first
 * @param classes by detection
 * @param truePositives by detection, a bit per IoU threshold
 * @param labels the classes of the labels
 * @param confusion pairs of (detected class, true class), one after the other
 */
record ImageStatistics(
        int image,
        float[] confidences,
        int[] classes,
        int[] truePositives,
        int[] labels,
        int[] confusion) {

    private static final float CONFUSION_CONFIDENCE = .25f;
    private static final float CONFUSION_IOU = .45f;

    /** Labels are rows [class, x1, y1, x2, y2] in the detections' pixels. */
    static ImageStatistics of(
            int image, List<Detection> detections, float[][] labels, int classCount) {
        int n = detections.size();
        float[] confidences = new float[n];
        int[] classes = new int[n];
        for (int i = 0; i < n; i++) {
            confidences[i] = detections.get(i).confidence();
            classes[i] = detections.get(i).classIndex();
        }
        int[] labelClasses = new int[labels.length];
        for (int i = 0; i < labels.length; i++) {
            labelClasses[i] = (int) labels[i][0];
        }
        return new ImageStatistics(
                image,
                confidences,
                classes,
                BoxMatcher.truePositives(detections, labels),
                labelClasses,
                confusion(detections, labels, classCount));
    }

    /**
     * As in the original a false positive counts only in an image where something matched, and an
     * image without labels doesn't count.
     */
    private static int[] confusion(List<Detection> all, float[][] labels, int background) {
        List<Detection> sure =
                all.stream().filter(d -> d.confidence() > CONFUSION_CONFIDENCE).toList();
        List<BoxMatcher.Pair> pairs = BoxMatcher.confusionPairs(sure, labels, CONFUSION_IOU);
        int[] found = new int[labels.length];
        boolean[] used = new boolean[sure.size()];
        Arrays.fill(found, background);
        for (BoxMatcher.Pair pair : pairs) {
            found[pair.label()] = sure.get(pair.detection()).classIndex();
            used[pair.detection()] = true;
        }
        int[] cells = new int[2 * (labels.length + sure.size())];
        int size = 0;
        for (int l = 0; l < labels.length; l++) {
            cells[size++] = found[l];
            cells[size++] = (int) labels[l][0];
        }
        for (int d = 0; d < sure.size() && !pairs.isEmpty(); d++) {
            if (!used[d]) {
                cells[size++] = sure.get(d).classIndex();
                cells[size++] = background;
            }
        }
        return Arrays.copyOf(cells, size);
    }
}
