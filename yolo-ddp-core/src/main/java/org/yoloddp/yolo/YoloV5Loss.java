package org.yoloddp.yolo;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.yoloddp.torch.TorchOps;
import org.yoloddp.train.LossValue;
import org.yoloddp.train.TrainingLoss;

/**
 * YOLOv5's loss: complete IoU of the assigned boxes, binary cross entropy of objectness over all
 * cells and of the classes of assigned ones.
 *
 * <p>Labels: one array (targets, 6) of image, class, centre x, centre y, width, height, relative to
 * the image. Predictions: the raw logits of each level. The total is the sum of the terms times the
 * images of the batch times the ranks, since gradients are averaged over ranks; the terms are those
 * of this rank.
 */
public final class YoloV5Loss implements TrainingLoss {

    private static final List<String> TERMS = List.of("box_loss", "obj_loss", "cls_loss");

    // float: a scalar times DJL's double is a double
    private static final float[] BALANCE_OF_3 = {4, 1, 0.4f};
    private static final float[] BALANCE = {4, 1, 0.25f, 0.06f, 0.02f};

    private final YoloV5Block block;
    private final LossSettings settings;
    private final int worldSize;
    private @Nullable AnchorGrid grid;

    /**
     * Creates the loss of one rank.
     *
     * @param block the rank's model; its anchors are read at the first evaluation
     * @param hyp gains and options of the loss
     * @param imageSize side of the images in pixels; smaller ones get a smaller objectness gain
     * @param worldSize number of ranks
     */
    public YoloV5Loss(YoloV5Block block, Hyp hyp, int imageSize, int worldSize) {
        this(block, LossSettings.scaled(hyp, block, imageSize), worldSize);
    }

    /** With gains as they are. */
    YoloV5Loss(YoloV5Block block, LossSettings settings, int worldSize) {
        this.block = block;
        this.settings = settings;
        this.worldSize = worldSize;
    }

    @Override
    public List<String> terms() {
        return TERMS;
    }

    @Override
    public LossValue evaluate(NDList labels, NDList predictions) {
        if (grid == null) {
            grid = block.anchors();
        }
        NDArray rows = labels.head();
        float[] targets = rows.getShape().get(0) == 0 ? new float[0] : rows.toFloatArray();
        float[] balance = predictions.size() == 3 ? BALANCE_OF_3 : BALANCE;
        NDArray box = null;
        NDArray objectness = null;
        NDArray classes = null;
        for (int level = 0; level < predictions.size(); level++) {
            LevelLoss loss = new LevelLoss(settings, grid, level, predictions.get(level), targets);
            box = sum(box, loss.box());
            objectness = sum(objectness, TorchOps.times(loss.objectness(), balance[level]));
            classes = sum(classes, loss.classes());
        }
        NDArray zero = predictions.head().getManager().create(0f);
        NDArray weighted =
                NDArrays.stack(
                        new NDList(
                                (box == null ? zero : TorchOps.times(box, (float) settings.box()))
                                        .reshape(1),
                                TorchOps.times(objectness, (float) settings.obj()).reshape(1),
                                (classes == null
                                                ? zero
                                                : TorchOps.times(classes, (float) settings.cls()))
                                        .reshape(1)));
        long images = predictions.head().getShape().get(0);
        NDArray total = TorchOps.times(weighted.sum(), images * worldSize);
        return new LossValue(total, weighted.stopGradient().reshape(TERMS.size()));
    }

    private static @Nullable NDArray sum(@Nullable NDArray sum, @Nullable NDArray next) {
        return sum == null ? next : next == null ? sum : sum.add(next);
    }
}
