package org.yoloddp.yolo;

import java.util.Arrays;

/**
 * Which cells of one level train for which targets. Computed in float32 on the host, exactly as the
 * original does: whether a target reaches into the next cell hangs on single roundings.
 *
 * <p>A target goes to every anchor whose width and height differ from its own by less than a
 * factor; there to the cell of its centre, then to the cells left, above, right and below whose
 * centres are near. Entries are in that order: by neighbour, anchor, target.
 */
final class Assignment {

    private static final float NEAR = 0.5f;

    /** Steps to the neighbours, in cells times {@link #NEAR}: none, left, up, right, down. */
    private static final float[][] STEPS = {{0, 0}, {NEAR, 0}, {0, NEAR}, {-NEAR, 0}, {0, -NEAR}};

    private int count;
    private int[] image = new int[64];
    private int[] anchor = new int[64];
    private int[] row = new int[64];
    private int[] column = new int[64];
    private int[] classIndex = new int[64];

    /** x and y from the cell's corner, width, height; in cells. */
    private float[] box = new float[4 * 64];

    private Assignment() {}

    /**
     * Assigns targets to one level.
     *
     * @param targets rows of image, class, centre x, centre y, width, height, all relative
     */
    static Assignment of(
            float[] targets, AnchorGrid grid, int level, int rows, int columns, float anchorT) {
        Assignment result = new Assignment();
        for (int neighbour = 0; neighbour < STEPS.length; neighbour++) {
            for (int anchor = 0; anchor < grid.anchorsPerLevel(); anchor++) {
                for (int t = 0; t < targets.length; t += 6) {
                    float width = targets[t + 4] * columns;
                    float height = targets[t + 5] * rows;
                    if (matches(width / grid.width(level, anchor), anchorT)
                            && matches(height / grid.height(level, anchor), anchorT)) {
                        float x = targets[t + 2] * columns;
                        float y = targets[t + 3] * rows;
                        if (reaches(neighbour, x, y, columns, rows)) {
                            result.add(neighbour, anchor, rows, columns, targets, t, x, y);
                        }
                    }
                }
            }
        }
        return result;
    }

    private static boolean matches(float ratio, float limit) {
        return ratio < limit && 1 / ratio < limit;
    }

    private static boolean reaches(int neighbour, float x, float y, int columns, int rows) {
        return switch (neighbour) {
            case 0 -> true;
            case 1 -> inside(x);
            case 2 -> inside(y);
            case 3 -> inside(columns - x);
            default -> inside(rows - y);
        };
    }

    /** Near the lower edge of its cell, and not in the first cell. */
    private static boolean inside(float distance) {
        return distance % 1 < NEAR && distance > 1;
    }

    private void add(
            int neighbour,
            int anchorIndex,
            int rows,
            int columns,
            float[] targets,
            int t,
            float x,
            float y) {
        if (count == image.length) {
            grow();
        }
        int cellX = clamp((int) (x - STEPS[neighbour][0]), columns);
        int cellY = clamp((int) (y - STEPS[neighbour][1]), rows);
        image[count] = (int) targets[t];
        classIndex[count] = (int) targets[t + 1];
        anchor[count] = anchorIndex;
        row[count] = cellY;
        column[count] = cellX;
        box[4 * count] = x - cellX;
        box[4 * count + 1] = y - cellY;
        box[4 * count + 2] = targets[t + 4] * columns;
        box[4 * count + 3] = targets[t + 5] * rows;
        count++;
    }

    private static int clamp(int cell, int cells) {
        return Math.max(0, Math.min(cell, cells - 1));
    }

    private void grow() {
        int size = 2 * image.length;
        image = Arrays.copyOf(image, size);
        anchor = Arrays.copyOf(anchor, size);
        row = Arrays.copyOf(row, size);
        column = Arrays.copyOf(column, size);
        classIndex = Arrays.copyOf(classIndex, size);
        box = Arrays.copyOf(box, 4 * size);
    }

    int count() {
        return count;
    }

    int image(int entry) {
        return image[entry];
    }

    int anchor(int entry) {
        return anchor[entry];
    }

    int row(int entry) {
        return row[entry];
    }

    int column(int entry) {
        return column[entry];
    }

    int classIndex(int entry) {
        return classIndex[entry];
    }

    float box(int entry, int component) {
        return box[4 * entry + component];
    }
}
