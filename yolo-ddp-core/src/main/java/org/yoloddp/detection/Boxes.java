package org.yoloddp.detection;

/**
 * Conversions of boxes in float32, in the original's order of operations: thresholds downstream see
 * the same last bits.
 */
final class Boxes {

    /** Keeps clipped corners off the far edge, where a box would fall into the cell behind it. */
    private static final double EDGE = 1e-3;

    private Boxes() {}

    /**
     * Normalised rows [class, cx, cy, w, h] of an image, scaled and shifted into a padded one, as
     * [class, x1, y1, x2, y2] in its pixels.
     */
    static float[][] toPixels(
            float[][] labels, double width, double height, double left, double top) {
        float w = (float) width;
        float h = (float) height;
        float dx = (float) left;
        float dy = (float) top;
        float[][] result = new float[labels.length][];
        for (int i = 0; i < labels.length; i++) {
            float[] row = labels[i];
            result[i] =
                    new float[] {
                        row[0],
                        w * (row[1] - row[3] / 2) + dx,
                        h * (row[2] - row[4] / 2) + dy,
                        w * (row[1] + row[3] / 2) + dx,
                        h * (row[2] + row[4] / 2) + dy
                    };
        }
        return result;
    }

    /** Rows [class, x1, y1, x2, y2] in pixels, clipped to the image, as normalised rows. */
    static float[][] toNormalised(float[][] boxes, int width, int height) {
        float right = (float) (width - EDGE);
        float bottom = (float) (height - EDGE);
        float[][] result = new float[boxes.length][];
        for (int i = 0; i < boxes.length; i++) {
            float[] row = boxes[i];
            float x1 = clip(row[1], right);
            float y1 = clip(row[2], bottom);
            float x2 = clip(row[3], right);
            float y2 = clip(row[4], bottom);
            result[i] =
                    new float[] {
                        row[0],
                        (x1 + x2) / 2 / width,
                        (y1 + y2) / 2 / height,
                        (x2 - x1) / width,
                        (y2 - y1) / height
                    };
        }
        return result;
    }

    /** IoU with the validator's epsilon. */
    static float iou(
            float ax1,
            float ay1,
            float ax2,
            float ay2,
            float bx1,
            float by1,
            float bx2,
            float by2) {
        float width = Math.max(0f, Math.min(ax2, bx2) - Math.max(ax1, bx1));
        float height = Math.max(0f, Math.min(ay2, by2) - Math.max(ay1, by1));
        float inter = width * height;
        return inter / ((ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - inter + 1e-7f);
    }

    static float clip(float value, float limit) {
        return Math.max(0f, Math.min(limit, value));
    }
}
