package org.yoloddp.yolo;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.training.initializer.Initializer;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.yoloddp.ddp.SyncBatchNorm;
import org.yoloddp.torch.TorchOps;

/** Convolution without bias, batch norm, activation. */
final class ConvLayer extends Layer implements SyncBatchNorm.Convertible {

    private static final double EPSILON = 1e-3;
    private static final double MOMENTUM = 0.03;

    /** What a convolution is made of. */
    record Spec(
            int in, int out, int kernel, int stride, int padding, int groups, String activation) {

        static Spec of(int in, int out, int kernel, int stride, String activation) {
            return new Spec(in, out, kernel, stride, kernel / 2, 1, activation);
        }
    }

    private final Spec spec;
    private final Parameter weight;
    private final Parameter gamma;
    private final Parameter beta;
    private final Parameter mean;
    private final Parameter variance;
    private final Parameter batches;
    private SyncBatchNorm.@Nullable Layer synchronised;

    ConvLayer(Spec spec, Seeds seeds) {
        this.spec = spec;
        int fanIn = spec.in() / spec.groups() * spec.kernel() * spec.kernel();
        Shape kernel =
                new Shape(spec.out(), spec.in() / spec.groups(), spec.kernel(), spec.kernel());
        Shape channels = new Shape(spec.out());
        weight =
                parameter(
                        "conv.weight",
                        Parameter.Type.WEIGHT,
                        kernel,
                        new SeededUniform(seeds.next(), 1 / Math.sqrt(fanIn)));
        gamma = parameter("bn.weight", Parameter.Type.GAMMA, channels, Initializer.ONES);
        beta = parameter("bn.bias", Parameter.Type.BETA, channels, Initializer.ZEROS);
        mean =
                parameter(
                        "bn.running_mean",
                        Parameter.Type.RUNNING_MEAN,
                        channels,
                        Initializer.ZEROS);
        variance =
                parameter("bn.running_var", Parameter.Type.RUNNING_VAR, channels, Initializer.ONES);
        batches =
                parameter(
                        "bn.num_batches_tracked",
                        Parameter.Type.OTHER,
                        new Shape(),
                        (manager, shape, type) -> manager.create(0L));
    }

    int outChannels() {
        return spec.out();
    }

    @Override
    NDArray compute(Pass pass, List<NDArray> inputs) {
        if (pass.training()) {
            TorchOps.increment(pass.value(batches));
        }
        try (NDArray convolved =
                        TorchOps.conv2d(
                                inputs.get(0),
                                pass.value(weight),
                                null,
                                spec.stride(),
                                spec.padding(),
                                1,
                                spec.groups());
                NDArray normed = normalise(pass, convolved)) {
            return Activations.apply(spec.activation(), normed);
        }
    }

    private NDArray normalise(Pass pass, NDArray convolved) {
        NDArray scale = pass.value(gamma);
        NDArray shift = pass.value(beta);
        NDArray runningMean = pass.value(mean);
        NDArray runningVar = pass.value(variance);
        if (pass.training() && synchronised != null) {
            return synchronised.batchNorm(
                    convolved, scale, shift, runningMean, runningVar, MOMENTUM, EPSILON);
        }
        return TorchOps.batchNorm(
                convolved,
                scale,
                shift,
                runningMean,
                runningVar,
                pass.training(),
                MOMENTUM,
                EPSILON);
    }

    @Override
    public void synchronise(SyncBatchNorm.Layer layer) {
        synchronised = layer;
    }

    @Override
    Shape outputShape(List<Shape> inputs) {
        Shape in = inputs.get(0);
        return new Shape(in.get(0), spec.out(), side(in.get(2)), side(in.get(3)));
    }

    private long side(long in) {
        return (in + 2L * spec.padding() - spec.kernel()) / spec.stride() + 1;
    }
}
