package org.yoloddp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Block;
import ai.djl.nn.LambdaBlock;
import ai.djl.nn.Parameter;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import ai.djl.nn.transformer.ScaledDotProductAttentionBlock;
import ai.djl.training.dataset.RandomAccessDataset;
import ai.djl.training.dataset.Record;
import ai.djl.training.evaluator.Accuracy;
import ai.djl.training.loss.Loss;
import ai.djl.util.Pair;
import ai.djl.util.Progress;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.yoloddp.amp.Precision;
import org.yoloddp.amp.UnsupportedPrecisionException;
import org.yoloddp.torch.TorchOps;
import org.yoloddp.torch.TorchRuntime;
import org.yoloddp.train.LossValue;
import org.yoloddp.train.Metric;
import org.yoloddp.train.TrainingLoss;
import org.yoloddp.train.TrainingReport;
import org.yoloddp.train.UnsupportedDataTypeException;

/** The ways in for types that DJL can't handle: each would end the JVM, not the training. */
@Tag("torch")
@Timeout(value = 1, unit = TimeUnit.MINUTES)
class UnsupportedDataTypeTest {

    private static final String CAST =
            ", which DJL can't work with: cast it, as by TorchOps.toFloat32(array)";

    private Toy toy;

    @BeforeEach
    void load() {
        TorchRuntime.start();
        toy = new Toy();
    }

    @AfterEach
    void free() {
        toy.close();
    }

    private static void assertRefused(DistributedTrainerBuilder builder, String message) {
        try (DistributedTrainer trainer = builder.build()) {
            assertThatThrownBy(trainer::train)
                    .isInstanceOf(UnsupportedDataTypeException.class)
                    .hasMessage(message);
        }
    }

    @Test
    void parametersOfSixteenBits() {
        String message =
                "the parameter '%s' is %s, but parameters have to be float32 or float64, or small"
                        + " steps would be lost: initialise the block with DataType.FLOAT32, and to"
                        + " compute faster use mixed precision, optAmp(true)";
        assertRefused(
                toy.builder()
                        .setBlock(
                                rank -> {
                                    Block net = Toy.net();
                                    net.initialize(
                                            rank.manager(), DataType.FLOAT16, new Shape(1, 2));
                                    return net;
                                }),
                message.formatted("01Linear_weight", "float16"));
        assertRefused(
                toy.builder().setBlock(rank -> bfloat16Net(rank.manager())),
                message.formatted("01Linear_weight", "bfloat16"));
    }

    /** DJL can't make such a block, but TorchOps can. */
    private static Block bfloat16Net(NDManager manager) {
        Block float32 = Toy.net();
        float32.initialize(manager, DataType.FLOAT32, new Shape(1, 2));
        Block net = Toy.net();
        for (Pair<String, Parameter> pair : net.getParameters()) {
            NDArray array = float32.getParameters().get(pair.getKey()).getArray();
            pair.getValue().setArray(TorchOps.toBfloat16(array));
        }
        return net;
    }

    private static Block endingInBfloat16() {
        return new SequentialBlock()
                .add(Toy.net())
                .add(new LambdaBlock(list -> new NDList(TorchOps.toBfloat16(list.head())), "cast"));
    }

    @Test
    void outputsOfABlock() {
        assertRefused(
                toy.builder().setBlock(rank -> endingInBfloat16()),
                "the block's output 0 is bfloat16" + CAST);
        try (DistributedTrainer mixed =
                toy.builder().setBlock(rank -> endingInBfloat16()).optAmp(true).build()) {
            assertThat(mixed.train().outcome()).isEqualTo(TrainingReport.Outcome.COMPLETED);
        }
    }

    @Test
    void outputsThatAreMeasured() {
        assertRefused(
                toy.builder()
                        .setBlock(rank -> endingInBfloat16())
                        .optAmp(true)
                        .optValidationDataset(toy.points)
                        .addMetric(Metric.of(new Accuracy())),
                "the block's output 0 is bfloat16" + CAST);
    }

    /** A loss that goes wrong in one of its values. */
    private record Cast(TrainingLoss loss, boolean total) implements TrainingLoss {

        @Override
        public List<String> terms() {
            return loss.terms();
        }

        @Override
        public LossValue evaluate(NDList labels, NDList predictions) {
            LossValue value = loss.evaluate(labels, predictions);
            return total
                    ? new LossValue(TorchOps.toBfloat16(value.total()), value.terms())
                    : new LossValue(value.total(), TorchOps.toBfloat16(value.terms()));
        }
    }

    @Test
    void valuesOfALoss() {
        TrainingLoss loss = TrainingLoss.of(Loss.softmaxCrossEntropyLoss());
        assertRefused(
                toy.builder().setLoss(rank -> new Cast(loss, true)),
                "the loss's total is bfloat16" + CAST);
        assertRefused(
                toy.builder().setLoss(rank -> new Cast(loss, false)),
                "the array of the loss's terms is bfloat16" + CAST);
    }

    /** Samples of which data or labels are cast. */
    private static final class Samples extends RandomAccessDataset {

        private final boolean data;

        Samples(boolean data) {
            super(new Builder());
            this.data = data;
        }

        private static final class Builder extends BaseBuilder<Builder> {
            Builder() {
                setSampling(1, false);
            }

            @Override
            protected Builder self() {
                return this;
            }
        }

        @Override
        public Record get(NDManager manager, long index) {
            NDArray point = manager.create(new float[] {index, 1});
            NDArray label = manager.create(new float[] {index % 2});
            return new Record(
                    new NDList(data ? TorchOps.toBfloat16(point) : point),
                    new NDList(data ? label : TorchOps.toBfloat16(label)));
        }

        @Override
        protected long availableSize() {
            return 12;
        }

        @Override
        public void prepare(Progress progress) {}
    }

    @Test
    void samplesOfADataSet() {
        assertRefused(samples(true), "the data of sample 0, array 0 is bfloat16" + CAST);
        assertRefused(samples(false), "the label of sample 0, array 0 is bfloat16" + CAST);
    }

    private DistributedTrainerBuilder samples(boolean data) {
        return toy.builder()
                .setBlock(
                        rank -> {
                            Block net = Toy.net();
                            net.initialize(rank.manager(), DataType.FLOAT32, new Shape(1, 2));
                            return net;
                        })
                .setDataset(new Samples(data))
                .optSampler((size, epoch, rank, world) -> new int[] {0, 1});
    }

    @Test
    void layersThatCreateArraysOfTheirInputsType() {
        Block net =
                new SequentialBlock()
                        .add(
                                ScaledDotProductAttentionBlock.builder()
                                        .setEmbeddingSize(2)
                                        .setHeadCount(1)
                                        .build())
                        .add(Linear.builder().setUnits(2).build());
        try (DistributedTrainer trainer =
                toy.builder()
                        .setBlock(rank -> net)
                        .optWorld(World.threads(1))
                        .optPrecision(Precision.bfloat16())
                        .build()) {
            assertThatThrownBy(trainer::train)
                    .isInstanceOf(UnsupportedPrecisionException.class)
                    .hasMessage(
                            "the layer '01ScaledDotProductAttentionBlock' is a"
                                    + " ScaledDotProductAttentionBlock of DJL, which creates"
                                    + " arrays of its input's type, and DJL can't create bfloat16"
                                    + " ones; use Precision.float16() or Precision.float32()");
        }
    }
}
