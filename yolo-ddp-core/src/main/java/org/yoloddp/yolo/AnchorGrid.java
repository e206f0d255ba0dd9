package org.yoloddp.yolo;

import java.util.Arrays;

/** Anchors and strides of the levels of a model. */
final class AnchorGrid {

    private final int[] strides;

    /** By level: width, height, width, height… in units of the level's cells; float32. */
    private final float[][] cells;

    private AnchorGrid(int[] strides, float[][] cells) {
        this.strides = strides;
        this.cells = cells;
    }

    /**
     * Divides anchors in pixels by the strides. Anchors that are listed from large to small where
     * strides grow are turned around.
     */
    static AnchorGrid of(double[][] pixels, int[] strides) {
        int levels = strides.length;
        boolean reversed =
                Math.signum(area(pixels[levels - 1]) - area(pixels[0]))
                                * Math.signum(strides[levels - 1] - strides[0])
                        < 0;
        float[][] cells = new float[levels][];
        for (int level = 0; level < levels; level++) {
            double[] from = pixels[reversed ? levels - 1 - level : level];
            cells[level] = new float[from.length];
            for (int i = 0; i < from.length; i++) {
                cells[level][i] = (float) from[i] / strides[level];
            }
        }
        return new AnchorGrid(strides.clone(), cells);
    }

    private static double area(double[] level) {
        double sum = 0;
        for (int i = 0; i < level.length; i += 2) {
            sum += level[i] * level[i + 1];
        }
        return sum;
    }

    /** The same strides with anchors in units of cells, as the state dict holds them. */
    AnchorGrid withCells(float[] flat) {
        float[][] values = new float[levels()][];
        int length = cells[0].length;
        for (int level = 0; level < values.length; level++) {
            values[level] = Arrays.copyOfRange(flat, level * length, (level + 1) * length);
        }
        return new AnchorGrid(strides, values);
    }

    int levels() {
        return strides.length;
    }

    int anchorsPerLevel() {
        return cells[0].length / 2;
    }

    int stride(int level) {
        return strides[level];
    }

    int[] strides() {
        return strides.clone();
    }

    float width(int level, int anchor) {
        return cells[level][2 * anchor];
    }

    float height(int level, int anchor) {
        return cells[level][2 * anchor + 1];
    }

    /** All anchors in units of cells. */
    float[] flat() {
        float[] result = new float[levels() * cells[0].length];
        for (int level = 0; level < levels(); level++) {
            System.arraycopy(cells[level], 0, result, level * cells[0].length, cells[0].length);
        }
        return result;
    }

    /** Anchors of a level in pixels. */
    float[] pixels(int level) {
        float[] result = cells[level].clone();
        for (int i = 0; i < result.length; i++) {
            result[i] *= strides[level];
        }
        return result;
    }

    /** Column and row of each cell, less a half. */
    float[] cells(int rows, int columns) {
        float[] result = new float[rows * columns * 2];
        int at = 0;
        for (int y = 0; y < rows; y++) {
            for (int x = 0; x < columns; x++) {
                result[at++] = x - 0.5f;
                result[at++] = y - 0.5f;
            }
        }
        return result;
    }
}
