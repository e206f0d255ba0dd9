package org.yoloddp.examples;

import java.util.ArrayList;
import java.util.List;

/**
 * Takes training steps in turns: ours, which are those of a real training in a JVM of its own, and
 * the rivals'. The first step of each turn isn't counted: it pays for the caches that the others
 * have taken.
 *
 * @param turns how often each has its turn
 * @param steps the steps of a turn that count
 */
record StepBench(int turns, int steps) {

    /**
     * Who takes part.
     *
     * @param name what it computes, or who it is
     * @param process takes its steps
     * @param millis the steps that count
     */
    record Contender(String name, TurnProcess process, List<Double> millis) {

        Contender(String name, TurnProcess process) {
            this(name, process, new ArrayList<>());
        }

        double median() {
            return BenchReport.median(millis);
        }

        private void turn(int steps) {
            double[] taken = process.run(steps + 1).millis();
            for (int i = 1; i < taken.length; i++) {
                millis.add(taken[i]);
            }
        }
    }

    /** Starts our own program, which takes as many steps as the turns ask for. */
    TurnProcess ours(
            String cfg, int imageSize, int batch, int threads, int warmUp, List<String> more) {
        List<String> arguments =
                new ArrayList<>(
                        List.of(
                                "bench",
                                "serve",
                                "--cfg=" + cfg,
                                "--imgsz=" + imageSize,
                                "--batch=" + batch,
                                "--threads=" + threads,
                                "--warmup=" + warmUp,
                                "--steps=" + stepsOfAll()));
        arguments.addAll(more);
        return TurnProcess.ours(arguments);
    }

    /** Steps that a contender has to be ready for. */
    int stepsOfAll() {
        return turns * (steps + 1);
    }

    void run(List<Contender> contenders) {
        for (int turn = 0; turn < turns; turn++) {
            contenders.forEach(contender -> contender.turn(steps));
        }
    }
}
