package org.yoloddp.yolo;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.yoloddp.torch.TorchOps;

/**
 * The three terms of one level.
 *
 * <p>Everything that the loss needs of the logits is taken by one flat index: the objectness of
 * each cell, and the rows of assigned cells. So backward makes one zeroed gradient of the size of
 * the logits, and not three to add up. Rows are counted as a channels_last convolution lays them
 * out, where flattening copies nothing.
 */
final class LevelLoss {

    private static final int OBJECTNESS = 4;

    private final LossSettings settings;
    private final NDManager manager;
    private final Assignment assignment;
    private final int rows;
    private final int columns;
    private final int anchors;
    private final int width;
    private final @Nullable NDArray box;
    private final NDArray objectness;
    private final @Nullable NDArray classes;

    LevelLoss(LossSettings settings, AnchorGrid grid, int level, NDArray raw, float[] targets) {
        this.settings = settings;
        manager = raw.getManager();
        Shape shape = raw.getShape();
        anchors = (int) shape.get(1);
        rows = (int) shape.get(2);
        columns = (int) shape.get(3);
        width = (int) shape.get(4);
        assignment = Assignment.of(targets, grid, level, rows, columns, settings.anchorT());

        int cells = Math.toIntExact(shape.size() / width);
        NDArray flat = raw.transpose(0, 2, 3, 1, 4).reshape(-1);
        NDArray taken = flat.take(manager, manager.create(index(cells)));
        float[] ious = new float[cells];
        int n = assignment.count();
        if (n == 0) {
            box = null;
            classes = null;
            objectness = entropy(taken, manager.create(ious), settings.objPw());
            return;
        }
        NDList parts = taken.split(new long[] {cells}, 0);
        NDList picked = parts.get(1).reshape(n, width).split(new long[] {2, 4, 5}, 1);
        NDArray iou = iou(picked.get(0), picked.get(1), grid, level);
        box = TorchOps.plus(iou.neg(), 1).mean();
        float[] values = iou.toFloatArray();
        for (int i = 0; i < n; i++) {
            ious[cell(i)] = Math.max(values[i], 0);
        }
        objectness = entropy(parts.get(0), manager.create(ious), settings.objPw());
        classes =
                width > 6
                        ? entropy(picked.get(3), classTargets(width - 5), settings.clsPw())
                        : null;
    }

    /** Mean of 1 − IoU, or null without targets. */
    @Nullable NDArray box() {
        return box;
    }

    /** Mean over all cells. */
    NDArray objectness() {
        return objectness;
    }

    /** Mean over assigned cells and classes; null without targets, or with one class. */
    @Nullable NDArray classes() {
        return classes;
    }

    private int cell(int entry) {
        return ((assignment.image(entry) * rows + assignment.row(entry)) * columns
                                + assignment.column(entry))
                        * anchors
                + assignment.anchor(entry);
    }

    private long[] index(int cells) {
        int n = assignment.count();
        long[] index = new long[cells + n * width];
        long next = OBJECTNESS;
        for (int i = 0; i < cells; i++) {
            index[i] = next;
            next += width;
        }
        int at = cells;
        for (int i = 0; i < n; i++) {
            long first = (long) cell(i) * width;
            for (int k = 0; k < width; k++) {
                index[at++] = first + k;
            }
        }
        return index;
    }

    private NDArray iou(NDArray centre, NDArray size, AnchorGrid grid, int level) {
        int n = assignment.count();
        float[] centres = new float[2 * n];
        float[] sizes = new float[2 * n];
        float[] priors = new float[2 * n];
        for (int i = 0; i < n; i++) {
            for (int k = 0; k < 2; k++) {
                centres[2 * i + k] = assignment.box(i, k);
                sizes[2 * i + k] = assignment.box(i, 2 + k);
            }
            priors[2 * i] = grid.width(level, assignment.anchor(i));
            priors[2 * i + 1] = grid.height(level, assignment.anchor(i));
        }
        Shape pairs = new Shape(n, 2);
        return CompleteIou.of(
                TorchOps.plus(TorchOps.times(TorchOps.sigmoid(centre), 2), -.5),
                TorchOps.times(TorchOps.sigmoid(size), 2)
                        .square()
                        .mul(manager.create(priors, pairs)),
                manager.create(centres, pairs),
                manager.create(sizes, pairs));
    }

    private NDArray classTargets(int number) {
        int n = assignment.count();
        float[] values = new float[n * number];
        Arrays.fill(values, (float) (0.5 * settings.labelSmoothing()));
        float positive = (float) (1 - 0.5 * settings.labelSmoothing());
        for (int i = 0; i < n; i++) {
            values[i * number + assignment.classIndex(i)] = positive;
        }
        return manager.create(values, new Shape(n, number));
    }

    private NDArray entropy(NDArray logits, NDArray targets, double positiveWeight) {
        NDArray weight = positiveWeight == 1 ? null : manager.create((float) positiveWeight);
        return settings.flGamma() > 0
                ? FocalLoss.of(logits, targets, weight, settings.flGamma())
                : TorchOps.binaryCrossEntropyWithLogits(logits, targets, weight);
    }
}
