package org.yoloddp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Model;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.nn.Block;
import ai.djl.nn.LambdaBlock;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import ai.djl.training.ParameterStore;
import ai.djl.training.evaluator.Accuracy;
import ai.djl.training.loss.Loss;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.ddp.RankDropout;
import org.yoloddp.ddp.ReplicaMismatchException;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.rendezvous.Heartbeats;
import org.yoloddp.torch.TorchException;
import org.yoloddp.torch.TorchRuntime;
import org.yoloddp.train.Deadlines;
import org.yoloddp.train.LossValue;
import org.yoloddp.train.Metric;
import org.yoloddp.train.NonFiniteLossException;
import org.yoloddp.train.RankThreadLeftException;
import org.yoloddp.train.StillRunningException;
import org.yoloddp.train.TrainerBusyException;
import org.yoloddp.train.TrainerClosedException;
import org.yoloddp.train.TrainingLoss;
import org.yoloddp.train.TrainingObserver;
import org.yoloddp.train.TrainingReport;
import org.yoloddp.train.TrainingRun;

@Tag("torch")
class DistributedTrainerTest {

    private static final Duration SOON = Duration.ofSeconds(30);

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

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3})
    void allRanksEndWithTheSameBits(int ranks) {
        try (DistributedTrainer trainer = toy.builder().optWorld(World.threads(ranks)).build()) {
            TrainingReport report = trainer.train();
            assertThat(report.outcome()).isEqualTo(TrainingReport.Outcome.COMPLETED);
            assertThat(report.steps()).isEqualTo(12);
            assertThat(report.parametersSha256()).hasSize(ranks);
            assertThat(Set.copyOf(report.parametersSha256())).hasSize(1);
            assertThat(Set.copyOf(report.buffersSha256())).hasSize(1);
        }
    }

    @Test
    void oneSeedGivesTheSameBitsEvenWithDropout() {
        assertThat(dropoutRun(3)).isEqualTo(dropoutRun(3));
        assertThat(dropoutRun(3)).isNotEqualTo(dropoutRun(4));
    }

    private List<String> dropoutRun(long seed) {
        try (DistributedTrainer trainer =
                toy.builder()
                        .setBlock(
                                rank ->
                                        new SequentialBlock()
                                                .add(Linear.builder().setUnits(16).build())
                                                .add(new RankDropout(.3))
                                                .add(Linear.builder().setUnits(2).build()))
                        .optSeed(seed)
                        .build()) {
            return trainer.train().parametersSha256();
        }
    }

    @Test
    void learnsAndMergesMetricsOverRanks() {
        try (DistributedTrainer trainer =
                toy.builder()
                        .setEpochs(60)
                        .optValidationDataset(toy.points)
                        .addMetric(Metric.of(new Accuracy()))
                        .build()) {
            TrainingReport report = trainer.train();
            assertThat(report.best("Accuracy")).isGreaterThan(.9);
            assertThat(report.epochs().get(0).losses().get("loss"))
                    .isGreaterThan(2 * report.lastEpoch().losses().get("loss"));
        }
    }

    @Test
    void stopsWhenTheFitnessDoesNotImprove() {
        try (DistributedTrainer trainer =
                toy.builder()
                        .setEpochs(50)
                        .optPatience(2)
                        .optValidationDataset(toy.points)
                        .addMetric(falling())
                        .build()) {
            TrainingReport report = trainer.train();
            assertThat(report.outcome()).isEqualTo(TrainingReport.Outcome.STOPPED_EARLY);
            assertThat(report.epochs()).hasSize(3);
        }
    }

    /** A metric that is worse in each validation. */
    private static Metric<double[]> falling() {
        AtomicReference<Double> value = new AtomicReference<>(1.0);
        return new Metric<>() {
            @Override
            public String name() {
                return "falling";
            }

            @Override
            public double[] empty() {
                return new double[1];
            }

            @Override
            public double[] update(double[] state, NDList labels, NDList predictions) {
                return new double[] {value.updateAndGet(v -> v - 1)};
            }

            @Override
            public double[] merge(double[] first, double[] second) {
                return new double[] {Math.min(first[0], second[0])};
            }

            @Override
            public double value(double[] state) {
                return state[0];
            }

            @Override
            public double[] encode(double[] state) {
                return state;
            }

            @Override
            public double[] decode(double[] numbers) {
                return numbers;
            }
        };
    }

    @Test
    void givesCopiesOfTheWeights(@TempDir Path folder) {
        Path file = folder.resolve("toy.safetensors");
        try (DistributedTrainer trainer = toy.builder().optWeightAverage(.9).build();
                NDManager manager = NDManager.newBaseManager()) {
            assertThatThrownBy(() -> trainer.exportWeights(file))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage(
                            "exportWeights() needs a training that has ended well: call train()"
                                    + " first");
            trainer.train();
            trainer.exportWeights(file);
            assertThat(file).isNotEmptyFile();
            Block copy = Toy.net();
            trainer.copyInto(copy, manager);
            try (Model model = trainer.newModel("toy")) {
                NDArray x = manager.create(new float[][] {{.5f, -1}});
                ParameterStore store = new ParameterStore(manager, false);
                float[] first = copy.forward(store, new NDList(x), false).head().toFloatArray();
                float[] second =
                        model.getBlock().forward(store, new NDList(x), false).head().toFloatArray();
                assertThat(first).containsExactly(second);
            }
        }
    }

    @Test
    void reportsOutliveTheTrainerAndTheTrainerRefusesUseAfterClose() {
        DistributedTrainer trainer = toy.builder().build();
        TrainingReport report = trainer.train();
        trainer.close();
        trainer.close();
        assertThat(report.lastEpoch().losses()).containsKey("loss");
        assertThatThrownBy(trainer::train)
                .isInstanceOf(TrainerClosedException.class)
                .hasMessage(
                        "train() was called on a closed DistributedTrainer, whose weights are"
                                + " freed. Call it before close(), or keep a copy made by copyInto"
                                + " or newModel");
        assertThatThrownBy(() -> trainer.newModel("x")).isInstanceOf(TrainerClosedException.class);
    }

    @Test
    void refusesASecondTrainingMeanwhile() throws InterruptedException {
        try (DistributedTrainer first = toy.builder().setEpochs(100_000).build();
                DistributedTrainer second = toy.builder().build()) {
            TrainingRun run = first.start();
            assertThatThrownBy(second::train)
                    .isInstanceOf(TrainerBusyException.class)
                    .hasMessage(
                            "this JVM already runs a training, and torch's random numbers and"
                                    + " thread counts are global to it. Wait for that training to"
                                    + " end, or start this one in a process of its own");
            assertThatThrownBy(() -> run.result(Duration.ofMillis(1)))
                    .isInstanceOf(StillRunningException.class);
            run.cancel();
            assertThat(run.result(SOON).outcome()).isEqualTo(TrainingReport.Outcome.CANCELLED);
            assertThat(second.train().outcome()).isEqualTo(TrainingReport.Outcome.COMPLETED);
        }
    }

    @Test
    void cancelEndsAllRanksAfterTheSameStep() throws InterruptedException {
        Random random = new Random(11);
        for (int round = 0; round < 100; round++) {
            int step = random.nextInt(30);
            AtomicReference<TrainingRun> run = new AtomicReference<>();
            int ranks = 1 + round % 3;
            try (DistributedTrainer trainer =
                    toy.builder()
                            .optWorld(World.threads(ranks))
                            .setEpochs(100_000)
                            .addObserver(
                                    Toy.onStep(
                                            report -> {
                                                if (report.step() >= step && run.get() != null) {
                                                    run.get().cancel();
                                                }
                                            }))
                            .build()) {
                run.set(trainer.start());
                TrainingReport report = run.get().result(SOON);
                assertThat(report.outcome()).isEqualTo(TrainingReport.Outcome.CANCELLED);
                assertThat(Set.copyOf(report.parametersSha256())).hasSize(1);
                assertThat(report.parametersSha256()).hasSize(ranks);
            }
        }
    }

    @Test
    void anInterruptCancelsAndKeepsTheFlag() {
        Random random = new Random(5);
        for (int round = 0; round < 100; round++) {
            int step = random.nextInt(20);
            Thread caller = Thread.currentThread();
            try (DistributedTrainer trainer =
                    toy.builder()
                            .setEpochs(100_000)
                            .addObserver(
                                    Toy.onStep(
                                            report -> {
                                                if (report.step() == step) {
                                                    caller.interrupt();
                                                }
                                            }))
                            .build()) {
                TrainingReport report = trainer.train();
                assertThat(report.outcome()).isEqualTo(TrainingReport.Outcome.CANCELLED);
                assertThat(Thread.interrupted()).isTrue();
                assertThat(Set.copyOf(report.parametersSha256())).hasSize(1);
            }
        }
    }

    @Test
    void anObserverThatThrowsEndsTheTrainingWithItsOwnException() {
        IllegalStateException mine = new IllegalStateException("disk full");
        List<Throwable> told = new ArrayList<>();
        try (DistributedTrainer trainer =
                toy.builder()
                        .addObserver(
                                new TrainingObserver() {
                                    @Override
                                    public void onFailure(Throwable cause) {
                                        told.add(cause);
                                    }
                                })
                        .addObserver(
                                Toy.onStep(
                                        report -> {
                                            throw mine;
                                        }))
                        .build()) {
            assertThatThrownBy(trainer::train).isSameAs(mine);
            assertThat(told).hasSize(1);
        }
    }

    @Test
    void anExceptionInOneRankEndsAllWithThatCause() {
        IllegalArgumentException mine = new IllegalArgumentException("bad sample");
        try (DistributedTrainer trainer =
                toy.builder()
                        .setLoss(rank -> new FailingLoss(rank.rank() == 1 ? mine : null))
                        .build()) {
            assertThatThrownBy(trainer::train)
                    .isInstanceOfSatisfying(
                            RankFailedException.class,
                            e -> {
                                assertThat(e.rank()).isEqualTo(1);
                                assertThat(e.step()).isEqualTo(5);
                                assertThat(e.operation()).isEqualTo("training");
                                assertThat(e).hasCause(mine);
                            });
        }
    }

    /** Throws in the sixth batch, if there is something to throw. */
    private static final class FailingLoss implements TrainingLoss {

        private final TrainingLoss good = TrainingLoss.of(Loss.softmaxCrossEntropyLoss());
        private final @Nullable RuntimeException failure;
        private int batches;

        FailingLoss(@Nullable RuntimeException failure) {
            this.failure = failure;
        }

        @Override
        public List<String> terms() {
            return good.terms();
        }

        @Override
        public LossValue evaluate(NDList labels, NDList predictions) {
            if (failure != null && ++batches == 6) {
                throw failure;
            }
            return good.evaluate(labels, predictions);
        }
    }

    @Test
    void aLossThatIsNotANumberNamesRankStepAndTerm() {
        try (DistributedTrainer trainer =
                toy.builder()
                        .setBlock(
                                rank ->
                                        new SequentialBlock()
                                                .add(Toy.net())
                                                .add(
                                                        LambdaBlock.singleton(
                                                                x ->
                                                                        rank.rank() == 1
                                                                                ? x.mul(Float.NaN)
                                                                                : x)))
                        .build()) {
            assertThatThrownBy(trainer::train)
                    .isInstanceOf(NonFiniteLossException.class)
                    .hasMessage(
                            "the loss term 'loss' is NaN on rank 1 at step 0. The weights of the"
                                    + " step before are unharmed. Look at the data of this step, or"
                                    + " lower the learning rate or lengthen its warm-up");
        }
    }

    @Test
    void aForwardThatUsesNoParameterIsRefused() {
        try (DistributedTrainer trainer =
                toy.builder()
                        .setBlock(
                                rank ->
                                        new SequentialBlock()
                                                .add(Toy.net())
                                                .add(LambdaBlock.singleton(NDArray::stopGradient)))
                        .build()) {
            assertThatThrownBy(trainer::train)
                    .isInstanceOf(TorchException.class)
                    .hasMessage(
                            "backward failed: element 0 of tensors does not require grad and does"
                                    + " not have a grad_fn (is gradient mode on in the forward, and"
                                    + " does the loss depend on a parameter that requires a"
                                    + " gradient?)");
        }
    }

    @Test
    void unequalModelsAreRefusedBeforeTheFirstStep() {
        try (DistributedTrainer trainer =
                toy.builder()
                        .setBlock(
                                rank ->
                                        new SequentialBlock()
                                                .add(
                                                        Linear.builder()
                                                                .setUnits(8 + rank.rank())
                                                                .build())
                                                .add(Linear.builder().setUnits(2).build()))
                        .build()) {
            assertThatThrownBy(trainer::train)
                    .isInstanceOf(ReplicaMismatchException.class)
                    .hasMessageContaining("01Linear_weight")
                    .hasMessageContaining("(8, 2)")
                    .hasMessageContaining("(9, 2)");
        }
    }

    @Test
    void aRankThatHangsIsLeftBehindAndNamed() {
        Object never = new Object();
        Heartbeats limits =
                Heartbeats.defaults()
                        .withInterval(Duration.ofMillis(50))
                        .withSilence(Duration.ofMillis(200))
                        .withPhase("creating", Duration.ofMillis(500));
        try (DistributedTrainer trainer =
                toy.builder()
                        .optDeadlines(Deadlines.defaults().withShutdown(Duration.ofMillis(300)))
                        .optHeartbeats(limits)
                        .setBlock(rank -> rank.rank() == 1 ? hangingNet(never) : Toy.net())
                        .build()) {
            assertThatThrownBy(trainer::train)
                    .isInstanceOfSatisfying(
                            RankFailedException.class,
                            e -> {
                                assertThat(e.rank()).isEqualTo(1);
                                assertThat(e.pid()).isEqualTo(ProcessHandle.current().pid());
                                assertThat(e.operation())
                                        .isEqualTo("in phase 'creating the model'");
                                assertThat(e.causeText())
                                        .isEqualTo(
                                                "no progress for more than 500 ms while rank 0"
                                                        + " waits for it");
                                assertThat(e.threadStacks())
                                        .singleElement()
                                        .asString()
                                        .startsWith("\"yolo-ddp-rank-1\" ")
                                        .contains("DistributedTrainerTest.lambda$hangingNet");
                            })
                    .satisfies(
                            e ->
                                    assertThat(e.getSuppressed())
                                            .anySatisfy(
                                                    s ->
                                                            assertThat(s)
                                                                    .isInstanceOf(
                                                                            RankThreadLeftException
                                                                                    .class)
                                                                    .hasMessageContaining(
                                                                            "yolo-ddp-rank-1")));
        } finally {
            synchronized (never) {
                never.notifyAll();
            }
        }
    }

    private static Block hangingNet(Object until) {
        return new SequentialBlock()
                .add(Toy.net())
                .add(
                        LambdaBlock.singleton(
                                x -> {
                                    synchronized (until) {
                                        try {
                                            until.wait(20_000);
                                        } catch (InterruptedException e) {
                                            Thread.currentThread().interrupt();
                                        }
                                    }
                                    return x;
                                }));
    }

    @Test
    void wrongOptionsAreRefusedWithTheirValues() {
        assertRefused(
                toy.builder().setBatchSize(13),
                "batchSize is 13 over all ranks, which 2 ranks can't share evenly: use a multiple"
                        + " of 2");
        assertRefused(
                toy.builder().optWorld(World.threads(60)).setBatchSize(60),
                "there are 48 training samples for 60 ranks, but each rank needs at least one: use"
                        + " fewer ranks");
        assertRefused(toy.builder().setEpochs(0), "epochs is 0, but has to be 1 or more");
        assertRefused(
                toy.builder().optClipNorm(0),
                "clipNorm is 0.0, but has to be above 0, infinite for no limit");
        assertRefused(
                toy.builder().optWeightAverage(1),
                "the decay of the weight average is 1.0, but has to be 0 (none) or between 0 and"
                        + " 1");
        assertRefused(
                DistributedTrainer.builder().setEpochs(1),
                "nothing to train: call setTask, or also setBlock, setDataset, setLoss");
        assertRefused(
                toy.builder().setBlock(Toy.net()),
                "setBlock got one block for 2 ranks in this JVM, but each needs its own: pass a"
                        + " factory, setBlock(rank -> ...)");
        assertRefused(
                toy.builder().addMetric(Metric.of(new Accuracy())),
                "addMetric needs data to be computed on: call optValidationDataset");
        assertThatThrownBy(() -> World.threads(0))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("a world of 0 ranks, but it needs one");
        assertThatThrownBy(() -> World.fromEnvironment(Map.of("WORLD_SIZE", "4")))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("WORLD_SIZE is 4, but RANK is not set: set both, or unset WORLD_SIZE");
        assertThat(World.fromEnvironment(Map.of()).size()).isEqualTo(1);
    }

    private static void assertRefused(DistributedTrainerBuilder builder, String message) {
        assertThatThrownBy(builder::build)
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(message);
    }
}
