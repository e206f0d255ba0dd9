package org.yoloddp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Model;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.dataset.RandomAccessDataset;
import ai.djl.training.dataset.Record;
import ai.djl.training.evaluator.Accuracy;
import ai.djl.util.Progress;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.IntSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.torch.TorchRuntime;
import org.yoloddp.train.EpochReport;
import org.yoloddp.train.Metric;
import org.yoloddp.train.TrainingObserver;
import org.yoloddp.train.TrainingReport;
import org.yoloddp.train.TrainingRun;
import org.yoloddp.train.UnevenShardsException;

/** Samplers, data sets, blocks and metrics that aren't as they should be, and odd moments. */
@Tag("torch")
class UnusualInputTest {

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

    private void assertRefused(
            DistributedTrainerBuilder builder, Class<? extends Throwable> type, String message) {
        try (DistributedTrainer trainer = builder.build()) {
            assertThatThrownBy(trainer::train).isInstanceOf(type).hasMessage(message);
        }
    }

    @Test
    void aSamplerThatChangesTheNumberOfBatchesIsRefused() {
        assertRefused(
                toy.builder().optSampler((size, epoch, rank, world) -> new int[epoch == 0 ? 6 : 7]),
                UnevenShardsException.class,
                "the sampler gives each rank 2 batches in epoch 1, but 1 in epoch 0, and learning"
                        + " rates are planned for one number. Let it give equally many samples in"
                        + " each epoch; if the size of the data set changes, keep it as it was when"
                        + " the training began");
    }

    /** Samples of one array each. */
    private static final class Samples extends RandomAccessDataset {

        final AtomicInteger prepared = new AtomicInteger();
        private final IntSupplier size;
        private final Shape shape;

        Samples(IntSupplier size, Shape shape) {
            super(new ArrayBuilder());
            this.size = size;
            this.shape = shape;
        }

        private static final class ArrayBuilder extends BaseBuilder<ArrayBuilder> {
            ArrayBuilder() {
                setSampling(1, false);
            }

            @Override
            protected ArrayBuilder self() {
                return this;
            }
        }

        @Override
        public Record get(NDManager manager, long index) {
            // Closed one by one: that is what memory is kept of until the next backward.
            try (NDArray raw = manager.create(new float[(int) shape.size()], shape)) {
                NDList data = new NDList(raw.duplicate());
                return new Record(data, new NDList(manager.create(new int[1])));
            }
        }

        @Override
        protected long availableSize() {
            return size.getAsInt();
        }

        @Override
        public void prepare(Progress progress) {
            prepared.incrementAndGet();
        }
    }

    @Test
    void aDataSetIsPreparedOnceAndMayNotGrowMeanwhile() {
        AtomicInteger size = new AtomicInteger(48);
        Samples samples = new Samples(size::get, new Shape(2));
        assertRefused(
                toy.builder()
                        .setDataset(samples)
                        .addObserver(Toy.onStep(r -> size.set(r.step() == 3 ? 96 : size.get()))),
                UnevenShardsException.class,
                "the sampler gives each rank 8 batches in epoch 1, but 4 in epoch 0, and learning"
                        + " rates are planned for one number. Let it give equally many samples in"
                        + " each epoch; if the size of the data set changes, keep it as it was when"
                        + " the training began");
        assertThat(samples.prepared).hasValue(1);
    }

    /** Does something at each batch. */
    private record Watching(String name, Runnable atBatch) implements Metric<double[]> {

        @Override
        public double[] empty() {
            return new double[1];
        }

        @Override
        public double[] update(double[] state, NDList labels, NDList predictions) {
            atBatch.run();
            return state;
        }

        @Override
        public double[] merge(double[] first, double[] second) {
            return first;
        }

        @Override
        public double value(double[] state) {
            return 1;
        }

        @Override
        public double[] encode(double[] state) {
            return state;
        }

        @Override
        public double[] decode(double[] numbers) {
            return numbers;
        }
    }

    @Test
    void aMetricThatThrowsOnOneRankFailsTheTraining() {
        IllegalStateException mine = new IllegalStateException("no such class");
        Runnable throwing =
                () -> {
                    if (Thread.currentThread().getName().equals("yolo-ddp-rank-1")) {
                        throw mine;
                    }
                };
        try (DistributedTrainer trainer =
                toy.builder()
                        .optValidationDataset(toy.points)
                        .addMetric(new Watching("m", throwing))
                        .build()) {
            assertThatThrownBy(trainer::train)
                    .isInstanceOfSatisfying(
                            RankFailedException.class, e -> assertThat(e.rank()).isEqualTo(1))
                    .hasCause(mine);
        }
        assertThatThrownBy(
                        () ->
                                toy.builder()
                                        .optValidationDataset(toy.points)
                                        .addMetric(Metric.of(new Accuracy()))
                                        .addMetric(Metric.of(new Accuracy()))
                                        .build())
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "two metrics are named 'Accuracy', so one would hide the other: give each"
                                + " its own name");
    }

    @Test
    void aValidationKeepsNoMemoryOfEarlierBatches() {
        Shape megabyte = new Shape(1 << 17, 2);
        List<Long> held = new ArrayList<>();
        try (DistributedTrainer trainer =
                toy.builder()
                        .setEpochs(1)
                        .optWorld(World.threads(1))
                        .optValidationDataset(new Samples(() -> 96, megabyte))
                        .addMetric(new Watching("m", () -> held.add(directMemory())))
                        .build()) {
            trainer.train();
        }
        assertThat(held).hasSize(8);
        assertThat(held.get(7)).isLessThan(held.get(0) + (24 << 20));
    }

    private static long directMemory() {
        System.gc();
        return ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class).stream()
                .filter(pool -> pool.getName().equals("direct"))
                .mapToLong(BufferPoolMXBean::getMemoryUsed)
                .sum();
    }

    @Test
    void aSecondTrainingStartsAnew() {
        try (DistributedTrainer trainer = toy.builder().build()) {
            List<String> first = trainer.train().parametersSha256();
            assertThat(trainer.train().parametersSha256()).isEqualTo(first);
            try (Model model = trainer.newModel("copy")) {
                assertThat(model.getBlock().isInitialized()).isTrue();
            }
        }
    }

    /** Cancels when told of something. */
    private static final class Cancelling implements TrainingObserver {

        final AtomicReference<TrainingRun> run = new AtomicReference<>();
        private final int validation;
        private final long step;

        Cancelling(int validation, long step) {
            this.validation = validation;
            this.step = step;
        }

        @Override
        public void onValidation(int epoch) {
            if (epoch == validation) {
                run.get().cancel();
            }
        }

        @Override
        public void onStep(org.yoloddp.train.StepReport report) {
            while (run.get() == null) {
                Thread.onSpinWait();
            }
            if (report.step() == step) {
                run.get().cancel();
            }
        }
    }

    private TrainingReport cancelled(Cancelling observer) throws InterruptedException {
        try (DistributedTrainer trainer =
                toy.builder()
                        .optValidationDataset(toy.points)
                        .addMetric(Metric.of(new Accuracy()))
                        .addObserver(observer)
                        .build()) {
            observer.run.set(trainer.start());
            TrainingReport report = observer.run.get().result(java.time.Duration.ofSeconds(30));
            try (Model model = trainer.newModel("kept")) {
                assertThat(model.getBlock().isInitialized()).isTrue();
            }
            return report;
        }
    }

    @Test
    void aCancelInAValidationTakesEffectAtTheNextStep() throws InterruptedException {
        TrainingReport report = cancelled(new Cancelling(0, -1));
        assertThat(report.outcome()).isEqualTo(TrainingReport.Outcome.CANCELLED);
        assertThat(report.steps()).isEqualTo(5);
        assertThat(report.epochs()).hasSize(1);
    }

    @Test
    void aCancelAfterTheLastStepComesTooLate() throws InterruptedException {
        for (Cancelling late : List.of(new Cancelling(2, -1), new Cancelling(-1, 11))) {
            TrainingReport report = cancelled(late);
            assertThat(report.outcome()).isEqualTo(TrainingReport.Outcome.COMPLETED);
            assertThat(report.epochs()).hasSize(3);
        }
    }

    @Test
    void aTrainingThatValidatedNothingHasNoBestValue() throws InterruptedException {
        TrainingReport report = cancelled(new Cancelling(-1, 0));
        assertThat(report.steps()).isEqualTo(2);
        assertThat(report.best("Accuracy")).isNaN();
        assertThatThrownBy(report::lastEpoch)
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("no epoch was finished");
    }

    @Test
    void anObserverCannotChangeTheLearningRate() {
        List<Map<String, Double>> losses = new ArrayList<>();
        for (boolean tampered : new boolean[] {false, true}) {
            try (DistributedTrainer trainer =
                    toy.builder()
                            .addObserver(
                                    Toy.onStep(
                                            r -> {
                                                if (tampered) {
                                                    r.learningRates()[0] = 9;
                                                }
                                            }))
                            .build()) {
                EpochReport last = trainer.train().lastEpoch();
                losses.add(last.losses());
            }
        }
        assertThat(losses.get(0)).isEqualTo(losses.get(1));
    }
}
