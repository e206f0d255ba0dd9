package org.yoloddp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDList;
import ai.djl.nn.Block;
import ai.djl.nn.LambdaBlock;
import ai.djl.nn.SequentialBlock;
import ai.djl.training.loss.Loss;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.HostBuffer;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.rendezvous.Heartbeats;
import org.yoloddp.torch.TorchRuntime;
import org.yoloddp.train.Deadlines;
import org.yoloddp.train.LossValue;
import org.yoloddp.train.RankContext;
import org.yoloddp.train.RankThreadLeftException;
import org.yoloddp.train.TrainerBusyException;
import org.yoloddp.train.TrainingLoss;
import org.yoloddp.train.TrainingObserver;
import org.yoloddp.train.TrainingReport;
import org.yoloddp.train.TrainingRun;

/** What is thrown, who is told and what is freed when something fails or hangs. */
@Tag("torch")
class FailedTrainingTest {

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

    /** Writes down which of the two ends it was told of. */
    private static final class Ends implements TrainingObserver {

        final List<Object> told = new ArrayList<>();

        @Override
        public void onEnd(TrainingReport report) {
            told.add("end");
        }

        @Override
        public void onFailure(Throwable cause) {
            told.add(cause);
        }
    }

    private static TrainingObserver onEnd(Runnable action) {
        return new TrainingObserver() {
            @Override
            public void onEnd(TrainingReport report) {
                action.run();
            }
        };
    }

    private static TrainingObserver onFailure(Runnable action) {
        return new TrainingObserver() {
            @Override
            public void onFailure(Throwable cause) {
                action.run();
            }
        };
    }

    /** Throws any exception past the compiler. */
    @SuppressWarnings("unchecked")
    private static <E extends Throwable> void sneak(Throwable thrown) throws E {
        throw (E) thrown;
    }

    /** A loss that runs something before the sixth batch of a rank. */
    private static TrainingLoss loss(boolean affected, Runnable atSixth) {
        TrainingLoss good = TrainingLoss.of(Loss.softmaxCrossEntropyLoss());
        return new TrainingLoss() {
            private int batches;

            @Override
            public List<String> terms() {
                return good.terms();
            }

            @Override
            public LossValue evaluate(NDList labels, NDList predictions) {
                if (affected && ++batches == 6) {
                    atSixth.run();
                }
                return good.evaluate(labels, predictions);
            }
        };
    }

    private DistributedTrainerBuilder failing(int rank, Throwable thrown) {
        return toy.builder()
                .setLoss(
                        r ->
                                loss(
                                        r.rank() == rank,
                                        () -> FailedTrainingTest.<RuntimeException>sneak(thrown)));
    }

    @Test
    void errorsAndCheckedExceptionsAreCausesToo() {
        for (Throwable thrown : List.of(new OutOfMemoryError("no more"), new IOException("disk"))) {
            try (DistributedTrainer trainer = failing(1, thrown).build()) {
                assertThatThrownBy(trainer::train)
                        .isInstanceOfSatisfying(
                                RankFailedException.class, e -> assertThat(e.rank()).isEqualTo(1))
                        .hasCause(thrown);
            }
        }
    }

    @Test
    void anObserverIsToldOfTheRootCauseOfAnotherRank() {
        Ends ends = new Ends();
        AtomicReference<Throwable> thrown = new AtomicReference<>();
        try (DistributedTrainer trainer =
                failing(1, new IllegalStateException("mine")).addObserver(ends).build()) {
            assertThatThrownBy(trainer::train).satisfies(thrown::set);
        }
        assertThat(ends.told).hasSize(1);
        assertThat(ends.told.get(0)).isSameAs(thrown.get());
    }

    @Test
    void anObserverMayThrowWhateverItLikes() {
        for (Throwable thrown : List.of(new AssertionError("no"), new IOException("disk full"))) {
            Ends ends = new Ends();
            try (DistributedTrainer trainer =
                    toy.builder()
                            .addObserver(ends)
                            .addObserver(
                                    Toy.onStep(
                                            r ->
                                                    FailedTrainingTest.<RuntimeException>sneak(
                                                            thrown)))
                            .build()) {
                assertThatThrownBy(trainer::train).isSameAs(thrown);
            }
            assertThat(ends.told).containsExactly(thrown);
        }
    }

    @Test
    void whatObserversThrowWhenToldOfAFailureIsKeptBesideIt() {
        IllegalStateException first = new IllegalStateException("first");
        AssertionError second = new AssertionError("second");
        Ends ends = new Ends();
        try (DistributedTrainer trainer =
                toy.builder()
                        .addObserver(
                                onFailure(
                                        () -> {
                                            throw second;
                                        }))
                        .addObserver(
                                onFailure(
                                        () -> {
                                            throw first;
                                        }))
                        .addObserver(ends)
                        .addObserver(
                                Toy.onStep(
                                        r -> {
                                            throw first;
                                        }))
                        .build()) {
            assertThatThrownBy(trainer::train).isSameAs(first).hasSuppressedException(second);
        }
        assertThat(ends.told).containsExactly(first);
    }

    @Test
    void anObserverThatThrowsAtTheEndFailsTheTrainingAndEachHearsOfOneEnd() {
        IllegalStateException mine = new IllegalStateException("can't write the summary");
        Ends before = new Ends();
        Ends after = new Ends();
        try (DistributedTrainer trainer =
                toy.builder()
                        .addObserver(before)
                        .addObserver(
                                onEnd(
                                        () -> {
                                            throw mine;
                                        }))
                        .addObserver(after)
                        .build()) {
            assertThatThrownBy(trainer::train).isSameAs(mine);
        }
        assertThat(before.told).containsExactly("end");
        assertThat(after.told).containsExactly(mine);
    }

    @Test
    void aSlowObserverDoesNotHideTheRootCause() {
        IllegalStateException mine = new IllegalStateException("mine");
        CountDownLatch othersEnded = new CountDownLatch(1);
        Deadlines deadlines = Deadlines.defaults().withCollective(Duration.ofMillis(400));
        try (DistributedTrainer trainer =
                failing(0, mine)
                        .optDeadlines(deadlines)
                        .addObserver(onFailure(() -> pause(othersEnded, 1200)))
                        .build()) {
            assertThatThrownBy(trainer::train).hasCause(mine);
        }
    }

    private static boolean pause(CountDownLatch until, long millis) {
        try {
            return until.await(millis, TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void closingInAnObserverIsRefusedAndEndsTheTraining() {
        AtomicReference<DistributedTrainer> own = new AtomicReference<>();
        try (DistributedTrainer trainer =
                toy.builder().addObserver(Toy.onStep(r -> own.get().close())).build()) {
            own.set(trainer);
            assertThatThrownBy(trainer::train)
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage(
                            "a thread of a training can't wait for that training's end, such as by"
                                    + " closing the trainer in an observer: call cancel() of the"
                                    + " TrainingRun there, and close the trainer after train()");
        }
    }

    @Test
    void observersMayUseTheTrainerWhileItIsClosed() throws InterruptedException {
        AtomicReference<DistributedTrainer> own = new AtomicReference<>();
        CountDownLatch begun = new CountDownLatch(1);
        List<Throwable> refused = new ArrayList<>();
        DistributedTrainer trainer =
                toy.builder()
                        .setEpochs(100_000)
                        .addObserver(Toy.onStep(r -> begun.countDown()))
                        .addObserver(
                                onEnd(
                                        () -> {
                                            try {
                                                own.get().newModel("x");
                                            } catch (RuntimeException e) {
                                                refused.add(e);
                                            }
                                        }))
                        .build();
        own.set(trainer);
        TrainingRun run = trainer.start();
        assertThat(begun.await(30, TimeUnit.SECONDS)).isTrue();
        trainer.close();
        assertThat(run.result(SOON).outcome()).isEqualTo(TrainingReport.Outcome.CANCELLED);
        assertThat(refused).hasSize(1);
    }

    @Test
    void trainingInAnObserverIsRefusedAndTheJvmIsFreeAfterwards() {
        AtomicReference<DistributedTrainer> own = new AtomicReference<>();
        try (DistributedTrainer trainer =
                toy.builder().addObserver(Toy.onStep(r -> own.get().start())).build()) {
            own.set(trainer);
            assertThatThrownBy(trainer::train).isInstanceOf(TrainerBusyException.class);
        }
        try (DistributedTrainer trainer = toy.builder().build()) {
            assertThat(trainer.train().steps()).isEqualTo(12);
        }
    }

    @Test
    void aFailureWhileTheFirstModelIsMadeEndsTheRanksThatWaitForIt() {
        IllegalStateException mine = new IllegalStateException("no weights");
        try (DistributedTrainer trainer =
                toy.builder()
                        .setBlock(
                                rank -> {
                                    if (rank.isFirst()) {
                                        throw mine;
                                    }
                                    return Toy.net();
                                })
                        .build()) {
            assertThatThrownBy(trainer::train)
                    .isInstanceOfSatisfying(
                            RankFailedException.class,
                            e -> assertThat(e.operation()).isEqualTo("creating the model"))
                    .hasCause(mine);
        }
    }

    @Test
    void aRankThatHangsKeepsItsMemoryUntilItEnds() {
        CountDownLatch wake = new CountDownLatch(1);
        CountDownLatch awake = new CountDownLatch(1);
        AtomicReference<RankContext> stuck = new AtomicReference<>();
        AtomicReference<HostBuffer> buffer = new AtomicReference<>();
        try (DistributedTrainer trainer =
                toy.builder()
                        .optDeadlines(Deadlines.defaults().withShutdown(Duration.ofMillis(200)))
                        .optHeartbeats(
                                Heartbeats.defaults()
                                        .withInterval(Duration.ofMillis(50))
                                        .withSilence(Duration.ofMillis(200))
                                        .withPhase("creating", Duration.ofMillis(400)))
                        .setBlock(
                                rank ->
                                        rank.rank() == 0
                                                ? Toy.net()
                                                : hanging(rank, wake, awake, stuck, buffer))
                        .build()) {
            assertThatThrownBy(trainer::train)
                    .satisfies(
                            e ->
                                    assertThat(e.getSuppressed())
                                            .hasAtLeastOneElementOfType(
                                                    RankThreadLeftException.class));
        }
        assertThat(buffer.get().isClosed()).as("freed under a thread that runs").isFalse();
        assertThat(stuck.get().manager().isOpen()).isTrue();
        wake.countDown();
        assertThat(pause(awake, 30_000)).isTrue();
        long deadline = System.nanoTime() + SOON.toNanos();
        while (!buffer.get().isClosed() && System.nanoTime() < deadline) {
            Thread.onSpinWait();
        }
        assertThat(buffer.get().isClosed()).as("freed when the thread has ended").isTrue();
        assertThat(stuck.get().manager().isOpen()).isFalse();
    }

    private static Block hanging(
            RankContext rank,
            CountDownLatch wake,
            CountDownLatch awake,
            AtomicReference<RankContext> stuck,
            AtomicReference<HostBuffer> buffer) {
        Communicator all = rank.communicator();
        stuck.set(rank);
        buffer.set((HostBuffer) all.allocate(DType.F32, 4));
        return new SequentialBlock()
                .add(Toy.net())
                .add(
                        LambdaBlock.singleton(
                                x -> {
                                    if (pause(wake, 30_000)) {
                                        awake.countDown();
                                    }
                                    return x;
                                }));
    }

    @Test
    void aSingleRankThatHangsIsLeftBehindAfterACancel() throws InterruptedException {
        CountDownLatch begun = new CountDownLatch(1);
        CountDownLatch wake = new CountDownLatch(1);
        try (DistributedTrainer trainer =
                toy.builder()
                        .optWorld(World.threads(1))
                        .optDeadlines(
                                Deadlines.defaults()
                                        .withCollective(Duration.ofMillis(300))
                                        .withShutdown(Duration.ofMillis(200)))
                        .setLoss(
                                rank ->
                                        loss(
                                                true,
                                                () -> {
                                                    begun.countDown();
                                                    pause(wake, 30_000);
                                                }))
                        .build()) {
            TrainingRun run = trainer.start();
            assertThat(begun.await(30, TimeUnit.SECONDS)).isTrue();
            run.cancel();
            assertThatThrownBy(() -> run.result(SOON))
                    .isInstanceOf(RankThreadLeftException.class)
                    .hasMessageStartingWith(
                            "threads of ranks that didn't end in time are left behind as daemons,"
                                    + " with their memory: yolo-ddp-rank-0 at ");
        } finally {
            wake.countDown();
        }
    }

    @Test
    void deadlinesHaveALimitAndWaitsHaveNone() throws InterruptedException {
        assertThatThrownBy(() -> Deadlines.defaults().withData(Duration.ofDays(36_501)))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("the deadline 'data' is PT876024H, but may be 36500 days at most");
        try (DistributedTrainer trainer = toy.builder().build()) {
            assertThat(trainer.start().result(Duration.ofSeconds(Long.MAX_VALUE)).steps())
                    .isEqualTo(12);
        }
    }
}
