package org.yoloddp.examples;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.yoloddp.DistributedTrainer;
import org.yoloddp.train.StepReport;
import org.yoloddp.train.TrainingObserver;
import org.yoloddp.train.TrainingReport;

/**
 * Takes steps of a real training and of a loop by hand in turns, on the same thread: the training's
 * observer runs the other one. The first step of each turn isn't counted.
 */
record OverheadBench(String cfg, int imageSize, int batch, int threads, int turns, int steps) {

    private static final String TRAINER = "trainer";
    private static final String HAND = "loop by hand";
    private static final int WARM_UP = 20;

    /** Empty if the training was interrupted. */
    Optional<BenchReport.Row> run() {
        Turns observer = new Turns();
        int batches = WARM_UP + turns * (steps + 1);
        try (DistributedTrainer trainer =
                BenchTasks.trainer(BenchTasks.yolo(cfg, imageSize, batch, batches), batch, 1)
                        .optThreadsPerRank(threads)
                        .addObserver(observer)
                        .build()) {
            if (trainer.train().outcome() == TrainingReport.Outcome.CANCELLED) {
                return Optional.empty();
            }
        }
        String name =
                String.join(
                        ", ",
                        cfg,
                        imageSize + " px",
                        "batch " + batch,
                        threads + " threads",
                        "float32");
        return Optional.of(
                VariantBench.row(
                        name,
                        Map.of(TRAINER, observer.ours, HAND, observer.byHand),
                        TRAINER,
                        HAND));
    }

    /** The medians of the turns of both. */
    private final class Turns implements TrainingObserver {

        private final List<Double> ours = new ArrayList<>();
        private final List<Double> byHand = new ArrayList<>();
        private final List<Double> turn = new ArrayList<>();
        private @Nullable HandLoop hand;

        @Override
        public void onStep(StepReport report) {
            if (report.step() < WARM_UP) {
                return;
            }
            long inTurn = (report.step() - WARM_UP) % (steps + 1);
            if (inTurn > 0) {
                turn.add(report.millis());
            }
            if (inTurn == steps) {
                ours.add(BenchReport.median(turn));
                turn.clear();
                takeTurn();
            }
        }

        private void takeTurn() {
            HandLoop loop = hand;
            if (loop == null) {
                loop = HandLoop.bare(BenchTasks.yolo(cfg, imageSize, batch, 1), threads);
                loop.run(WARM_UP);
                hand = loop;
            }
            double[] millis = loop.run(steps + 1);
            List<Double> counted = new ArrayList<>();
            for (int i = 1; i < millis.length; i++) {
                counted.add(millis[i]);
            }
            byHand.add(BenchReport.median(counted));
        }

        @Override
        public void onEnd(TrainingReport report) {
            close();
        }

        @Override
        public void onFailure(Throwable cause) {
            close();
        }

        private void close() {
            if (hand != null) {
                hand.close();
                hand = null;
            }
        }
    }
}
