package org.yoloddp.detection;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import org.yoloddp.error.ConfigurationException;

/**
 * Greedy non-maximum suppression by class, as YOLOv5 does it: float32 arithmetic, classes kept
 * apart by an offset of 7680 pixels each, at most 30000 candidates.
 *
 * <p>There is no time limit, so the result does not depend on the machine. Immutable; each of the
 * setters returns a changed copy.
 */
public final class NonMaxSuppression {

    private static final float CLASS_OFFSET = 7680f;
    private static final int MAX_CANDIDATES = 30_000;

    private final float confidence;
    private final double iou;
    private final boolean multiLabel;
    private final boolean agnostic;
    private final int maxDetections;
    private final int @Nullable [] classes;

    private NonMaxSuppression(
            float confidence,
            double iou,
            boolean multiLabel,
            boolean agnostic,
            int maxDetections,
            int @Nullable [] classes) {
        this.confidence = confidence;
        this.iou = iou;
        this.multiLabel = multiLabel;
        this.agnostic = agnostic;
        this.maxDetections = maxDetections;
        this.classes = classes;
    }

    /**
     * Returns the settings that find detections to look at: confidence above 0.25, IoU 0.45, the
     * best class of each box.
     *
     * @return the settings
     */
    public static NonMaxSuppression forDetection() {
        return new NonMaxSuppression(0.25f, 0.45, false, false, 300, null);
    }

    /**
     * Returns the settings that mean average precision is computed with: confidence above 0.001,
     * IoU 0.6, every class of each box.
     *
     * @return the settings
     */
    public static NonMaxSuppression forValidation() {
        return new NonMaxSuppression(0.001f, 0.6, true, false, 300, null);
    }

    /**
     * Returns a copy with another confidence threshold.
     *
     * @param threshold detections are above it, from 0 to 1
     * @return the copy
     * @throws ConfigurationException if it is outside 0 to 1
     */
    public NonMaxSuppression withConfidence(double threshold) {
        float value = (float) checkFraction("confidence", threshold);
        return new NonMaxSuppression(value, iou, multiLabel, agnostic, maxDetections, classes);
    }

    /**
     * Returns a copy with another overlap threshold.
     *
     * @param threshold a box that overlaps a better one by more is dropped, from 0 to 1
     * @return the copy
     * @throws ConfigurationException if it is outside 0 to 1
     */
    public NonMaxSuppression withIou(double threshold) {
        double value = checkFraction("iou", threshold);
        return new NonMaxSuppression(
                confidence, value, multiLabel, agnostic, maxDetections, classes);
    }

    /**
     * Returns a copy that takes several classes of a box, or only the best.
     *
     * @param several whether each class above the threshold counts
     * @return the copy
     */
    public NonMaxSuppression withMultiLabel(boolean several) {
        return new NonMaxSuppression(confidence, iou, several, agnostic, maxDetections, classes);
    }

    /**
     * Returns a copy in which boxes of different classes suppress each other, or don't.
     *
     * @param across whether classes suppress each other
     * @return the copy
     */
    public NonMaxSuppression withAgnostic(boolean across) {
        return new NonMaxSuppression(confidence, iou, multiLabel, across, maxDetections, classes);
    }

    /**
     * Returns a copy with another limit of detections per image.
     *
     * @param limit the limit, 1 or more
     * @return the copy
     * @throws ConfigurationException if it is below 1
     */
    public NonMaxSuppression withMaxDetections(int limit) {
        if (limit < 1) {
            throw new ConfigurationException("maxDetections must be 1 or more, but is " + limit);
        }
        return new NonMaxSuppression(confidence, iou, multiLabel, agnostic, limit, classes);
    }

    /**
     * Returns a copy that keeps only some classes.
     *
     * @param indices the classes to keep
     * @return the copy
     */
    public NonMaxSuppression withClasses(int... indices) {
        int[] sorted = indices.clone();
        Arrays.sort(sorted);
        return new NonMaxSuppression(confidence, iou, multiLabel, agnostic, maxDetections, sorted);
    }

    /**
     * Suppresses the predictions of one image.
     *
     * @param rows the predictions one after the other, each centre x, centre y, width, height,
     *     objectness and one score by class; not changed
     * @param columns the numbers per prediction, 5 + number of classes
     * @return the detections, best first, with corners in the same pixels as the predictions
     */
    public List<Detection> apply(float[] rows, int columns) {
        return apply(rows, 0, columns == 0 ? 0 : rows.length / columns, columns);
    }

    /**
     * Suppresses the predictions of one image that lie within a larger array.
     *
     * @param rows holds the predictions one after the other, each centre x, centre y, width,
     *     height, objectness and one score by class; not changed
     * @param from where the first prediction starts
     * @param count the number of predictions
     * @param columns the numbers per prediction, 5 + number of classes
     * @return the detections, best first, with corners in the same pixels as the predictions
     */
    public List<Detection> apply(float[] rows, int from, int count, int columns) {
        Candidates candidates = new Candidates();
        int classCount = columns - 5;
        boolean several = multiLabel && classCount > 1;
        for (int i = 0, at = from; i < count; i++, at += columns) {
            float objectness = rows[at + 4];
            if (!(objectness > confidence)) {
                continue;
            }
            int best = -1;
            float bestScore = Float.NEGATIVE_INFINITY;
            for (int c = 0; c < classCount; c++) {
                float score = rows[at + 5 + c] * objectness;
                if (several) {
                    if (score > confidence && keeps(c)) {
                        candidates.add(at, c, score);
                    }
                } else if (score > bestScore) {
                    best = c;
                    bestScore = score;
                }
            }
            if (best >= 0 && bestScore > confidence && keeps(best)) {
                candidates.add(at, best, bestScore);
            }
        }
        return suppress(rows, candidates);
    }

    private boolean keeps(int classIndex) {
        return classes == null || Arrays.binarySearch(classes, classIndex) >= 0;
    }

    /** Walks from best to worst and keeps what no kept box covers; ends at the limit. */
    private List<Detection> suppress(float[] rows, Candidates candidates) {
        int[] order = candidates.bestFirst();
        int considered = Math.min(order.length, MAX_CANDIDATES);
        int room = Math.min(considered, maxDetections);
        float[] kept = new float[room * 5];
        List<Detection> result = new ArrayList<>(room);
        for (int k = 0; k < considered && result.size() < maxDetections; k++) {
            int at = candidates.rows[order[k]];
            int classIndex = candidates.classes[order[k]];
            float halfWidth = rows[at + 2] / 2;
            float halfHeight = rows[at + 3] / 2;
            float left = rows[at] - halfWidth;
            float top = rows[at + 1] - halfHeight;
            float right = rows[at] + halfWidth;
            float bottom = rows[at + 1] + halfHeight;
            float offset = agnostic ? 0 : classIndex * CLASS_OFFSET;
            float x1 = left + offset;
            float y1 = top + offset;
            float x2 = right + offset;
            float y2 = bottom + offset;
            float area = (x2 - x1) * (y2 - y1);
            if (!isCovered(kept, result.size(), x1, y1, x2, y2, area)) {
                int slot = result.size() * 5;
                kept[slot] = x1;
                kept[slot + 1] = y1;
                kept[slot + 2] = x2;
                kept[slot + 3] = y2;
                kept[slot + 4] = area;
                float score = candidates.scores[order[k]];
                result.add(new Detection(left, top, right, bottom, score, classIndex));
            }
        }
        return result;
    }

    private boolean isCovered(
            float[] kept, int count, float x1, float y1, float x2, float y2, float area) {
        for (int slot = 0; slot < count * 5; slot += 5) {
            float width = Math.min(kept[slot + 2], x2) - Math.max(kept[slot], x1);
            float height = Math.min(kept[slot + 3], y2) - Math.max(kept[slot + 1], y1);
            if (!(width > 0 && height > 0)) {
                continue; // most pairs, above all those of different classes
            }
            float inter = width * height;
            float overlap = inter / (kept[slot + 4] + area - inter);
            if (overlap > iou) {
                return true;
            }
        }
        return false;
    }

    private static double checkFraction(String name, double value) {
        if (!(value >= 0 && value <= 1)) {
            throw new ConfigurationException(
                    String.format(Locale.ROOT, "%s must be from 0 to 1, but is %s", name, value));
        }
        return value;
    }

    /** Growing columns of candidates: where the prediction lies, class and score. */
    private static final class Candidates {

        private int size;
        private int[] rows = new int[256];
        private int[] classes = new int[256];
        private float[] scores = new float[256];

        void add(int row, int classIndex, float score) {
            if (size == rows.length) {
                rows = Arrays.copyOf(rows, size * 2);
                classes = Arrays.copyOf(classes, size * 2);
                scores = Arrays.copyOf(scores, size * 2);
            }
            rows[size] = row;
            classes[size] = classIndex;
            scores[size++] = score;
        }

        /** Scores are positive, so their bits sort as they do; equal ones stay in order. */
        int[] bestFirst() {
            long[] keys = new long[size];
            for (int i = 0; i < size; i++) {
                keys[i] = (long) ~Float.floatToIntBits(scores[i]) << 32 | i;
            }
            Arrays.sort(keys);
            int[] order = new int[size];
            for (int i = 0; i < size; i++) {
                order[i] = (int) keys[i];
            }
            return order;
        }
    }
}
