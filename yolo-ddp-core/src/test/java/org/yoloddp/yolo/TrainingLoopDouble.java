package org.yoloddp.yolo;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.List;
import org.yoloddp.optim.FusedOptimizer;
import org.yoloddp.optim.GradientClip;
import org.yoloddp.optim.OptimizerSpec;
import org.yoloddp.optim.WeightEma;
import org.yoloddp.torch.Autograd;
import org.yoloddp.torch.GradMode;
import org.yoloddp.torch.GradientViews;
import org.yoloddp.torch.StateDict;
import org.yoloddp.train.LossValue;

/** Forward, loss, backward, clipping, optimizer and average by hand: one rank, no data loading. */
final class TrainingLoopDouble implements AutoCloseable {

    final TestModel model;
    final TestModel average;
    final StateDict state;
    final StateDict averaged;
    private final YoloV5Loss loss;
    private final NDArray gradients;
    private final FusedOptimizer optimizer;
    private final GradientClip clip;
    private final WeightEma ema;
    private final double learningRate;

    TrainingLoopDouble(
            TestModel model,
            TestModel average,
            int imageSize,
            OptimizerSpec spec,
            double learningRate,
            double clipNorm) {
        this.model = model;
        this.average = average;
        this.learningRate = learningRate;
        state = StateDict.of(model.block);
        averaged = StateDict.of(average.block);
        loss = new YoloV5Loss(model.block, Hyp.defaults(), imageSize, 1);
        long length = 0;
        for (StateDict.Entry entry : state.trainable()) {
            length += entry.array().size();
        }
        gradients = model.manager.zeros(new Shape(length), DataType.FLOAT32);
        long offset = 0;
        for (StateDict.Entry entry : state.trainable()) {
            GradientViews.bind(entry.array(), gradients, offset);
            offset += entry.array().size();
        }
        optimizer =
                FusedOptimizer.create(
                        spec, YoloV5Task.groups(model.block, spec.weightDecay()), state);
        clip = GradientClip.create(state, clipNorm);
        ema = WeightEma.create(averaged, state);
    }

    /** Adds the gradient of one batch and returns its total. */
    double accumulate(NDArray images, NDArray targets) {
        try (GradMode on = GradMode.enabled();
                NDManager scope = model.manager.newSubManager()) {
            NDArray input = images.duplicate();
            input.attach(scope);
            NDList raw = model.block.forwardRaw(model.store, input, true);
            LossValue value = loss.evaluate(new NDList(targets), raw);
            Autograd.backward(value.total());
            return value.total().getFloat();
        }
    }

    /** Takes a step and returns the norm before clipping. */
    double step() {
        double norm = clip.apply();
        double[] rates = {learningRate, learningRate, learningRate};
        optimizer.step(rates, Double.NaN);
        try (GradMode off = GradMode.disabled()) {
            gradients.muli(0);
        }
        ema.update();
        return norm;
    }

    /** Sum and sum of absolute values of all floating entries. */
    static double[] sums(StateDict state) {
        return sums(state.entries());
    }

    static double[] sums(List<StateDict.Entry> entries) {
        double sum = 0;
        double absolute = 0;
        for (StateDict.Entry entry : floating(entries)) {
            for (float value : entry.array().toFloatArray()) {
                sum += value;
                absolute += Math.abs(value);
            }
        }
        return new double[] {sum, absolute};
    }

    private static List<StateDict.Entry> floating(List<StateDict.Entry> entries) {
        List<StateDict.Entry> result = new ArrayList<>(entries);
        result.removeIf(entry -> !entry.array().getDataType().isFloating());
        return result;
    }

    @Override
    public void close() {
        ema.close();
        clip.close();
        optimizer.close();
    }
}
