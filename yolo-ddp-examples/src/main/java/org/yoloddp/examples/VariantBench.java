package org.yoloddp.examples;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntFunction;
import java.util.function.Supplier;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.inprocess.InProcessCommunicator;
import org.yoloddp.ddp.Reduction;
import org.yoloddp.train.Deadlines;
import org.yoloddp.train.TrainingTask;

/**
 * Trains one task in several ways by the same ranks, in blocks in which each way has its turn.
 *
 * @param blocks how often each way has its turn
 * @param steps the steps of a turn that count; one before them does not
 * @param warmUp steps of each way before the first block
 * @param warmUpSeconds how long these are repeated: the JVM compiles for some seconds, on the cores
 *     that the ranks want
 */
record VariantBench(int blocks, int steps, int warmUp, int warmUpSeconds) {

    static final String INDEPENDENT = "independent";
    static final String BARRIER_ONLY = "barrier-only";
    static final String FULL = "full";

    /** How the ranks take steps in one way. */
    interface Way {

        /** Lets all ranks take so many steps, and returns the milliseconds of each by rank. */
        List<double[]> take(int steps);
    }

    /**
     * One way, where ranks are threads of this JVM.
     *
     * @param name for the report
     * @param loops makes the loop of a rank, on its thread
     */
    record Variant(String name, IntFunction<HandLoop> loops) {

        /** Ranks without any communication. */
        static Variant independent(TrainingTask task, int threads) {
            return new Variant(INDEPENDENT, rank -> HandLoop.alone(task, threads));
        }

        /** Ranks that wait for each other in each step, with buckets, but exchange nothing. */
        static Variant barrierOnly(TrainingTask task, int threads, int ranks) {
            List<Communicator> members = group(ranks);
            return new Variant(
                    BARRIER_ONLY, rank -> HandLoop.waiting(task, threads, members.get(rank)));
        }

        /** Ranks that average their gradients. */
        static Variant full(
                String name,
                TrainingTask task,
                int threads,
                List<Communicator> members,
                Reduction reduction) {
            return new Variant(
                    name, rank -> HandLoop.together(task, threads, members.get(rank), reduction));
        }
    }

    /** Connects ranks of this JVM. */
    static List<Communicator> group(int ranks) {
        return InProcessCommunicator.group(ranks, Deadlines.defaults().collective());
    }

    /** Lets threads train in several ways, as {@link #run(Map, Map)} does. */
    Map<String, List<Double>> run(
            RankGang gang, List<Variant> variants, Map<String, Supplier<double[]>> rivals) {
        List<List<HandLoop>> made = new ArrayList<>();
        try {
            Map<String, Way> ways = new LinkedHashMap<>();
            for (Variant variant : variants) {
                List<HandLoop> loops = gang.all(variant.loops());
                made.add(loops);
                ways.put(variant.name(), steps -> gang.all(rank -> loops.get(rank).run(steps)));
            }
            return run(ways, rivals);
        } finally {
            made.forEach(loops -> close(gang, loops));
        }
    }

    /**
     * Returns for each way, and for each rival's, the milliseconds of a step in each block: the
     * mean over the ranks of the median over the block's steps.
     *
     * @param ways by name
     * @param rivals take their turns after ours in each block
     */
    Map<String, List<Double>> run(Map<String, Way> ways, Map<String, Supplier<double[]>> rivals) {
        List<String> names = new ArrayList<>(ways.keySet());
        Map<String, List<Double>> millis = new LinkedHashMap<>();
        for (String name : names) {
            long start = System.nanoTime();
            do {
                turn(ways.get(name), warmUp);
            } while (System.nanoTime() - start < warmUpSeconds * 1_000_000_000L);
            millis.put(name, new ArrayList<>());
        }
        rivals.keySet().forEach(name -> millis.put(name, new ArrayList<>()));
        for (int block = 0; block < blocks; block++) {
            for (int i = 0; i < names.size(); i++) {
                // Another one comes first in each block.
                String name = names.get((block + i) % names.size());
                millis.get(name).add(turn(ways.get(name), steps + 1));
            }
            rivals.forEach((name, rival) -> millis.get(name).add(counted(rival.get())));
        }
        return millis;
    }

    private static double turn(Way way, int steps) {
        return way.take(steps).stream().mapToDouble(VariantBench::counted).average().orElseThrow();
    }

    /** The median without the first step, which pays for the caches that the others have taken. */
    private static double counted(double[] millis) {
        List<Double> values = new ArrayList<>();
        for (int i = millis.length > 1 ? 1 : 0; i < millis.length; i++) {
            values.add(millis[i]);
        }
        return BenchReport.median(values);
    }

    private static void close(RankGang gang, List<HandLoop> loops) {
        gang.all(
                rank -> {
                    loops.get(rank).close();
                    return true;
                });
    }

    /** Compares two ways by the median over the blocks of their ratios. */
    static BenchReport.Row row(
            String name, Map<String, List<Double>> millis, String ours, String rival) {
        List<Double> mine = millis.get(ours);
        List<Double> theirs = millis.get(rival);
        List<Double> ratios = new ArrayList<>();
        for (int i = 0; i < mine.size(); i++) {
            ratios.add(theirs.get(i) / mine.get(i));
        }
        return BenchReport.Row.paired(
                name + ", " + ours,
                BenchReport.median(mine),
                rival,
                BenchReport.median(theirs),
                BenchReport.median(ratios));
    }
}
