package org.yoloddp.examples;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * What is to befall the job of a round: all of it follows from a seed.
 *
 * @param seed of everything random
 * @param ranks how many
 * @param restarts how many the launcher may do
 * @param foreign whether the launcher knows nothing of the command
 * @param hosts on how many hosts the ranks seem to be
 * @param stubborn a rank that resists SIGTERM, -1 for none
 * @param faults what befalls ranks in the middle of a step
 * @param blow what comes from outside, at any time
 */
record ChaosPlan(
        long seed,
        int ranks,
        int restarts,
        boolean foreign,
        int hosts,
        int stubborn,
        List<PlannedFault> faults,
        @Nullable Blow blow) {

    /** The steps of a job. */
    static final long STEPS = 60;

    /** How long each takes at least. */
    static final long PACE_MILLIS = 10;

    private static final int MOST_FAULTS = 3;
    private static final int LONGEST_DELAY_MILLIS = 2500;

    static ChaosPlan of(long seed) {
        // Seeds that follow each other give similar first numbers.
        Random random = new Random(new Random(seed).nextLong() ^ seed * 0x9E3779B97F4A7C15L);
        int ranks = 2 + random.nextInt(3);
        int restarts = random.nextInt(4);
        boolean foreign = random.nextInt(4) == 0;
        int hosts = random.nextInt(4) == 0 ? 2 : 1;
        int stubborn = random.nextInt(6) == 0 ? random.nextInt(ranks) : -1;
        int source = random.nextInt(100);
        List<PlannedFault> faults = source < 70 ? faults(random, ranks) : List.of();
        Blow blow = source >= 55 ? blow(random, ranks, faults) : null;
        return new ChaosPlan(seed, ranks, restarts, foreign, hosts, stubborn, faults, blow);
    }

    /** One after another, some together. */
    private static List<PlannedFault> faults(Random random, int ranks) {
        List<PlannedFault> faults = new ArrayList<>();
        int restart = 0;
        long step = 0;
        for (int i = random.nextInt(MOST_FAULTS); i >= 0; i--) {
            Fault fault = Fault.values()[random.nextInt(Fault.values().length)];
            boolean together = !faults.isEmpty() && random.nextInt(3) == 0;
            if (!faults.isEmpty() && !together) {
                restart++;
            }
            step = Math.min(STEPS - 1, step + (together ? 0 : random.nextInt((int) STEPS / 2)));
            faults.add(new PlannedFault(fault, random.nextInt(ranks), step, restart));
        }
        return faults;
    }

    /** At a start that will come about. */
    private static Blow blow(Random random, int ranks, List<PlannedFault> faults) {
        Blow.Kind kind = Blow.Kind.values()[random.nextInt(Blow.Kind.values().length)];
        int starts = 1 + faults.stream().mapToInt(PlannedFault::restart).max().orElse(0);
        return new Blow(
                kind,
                random.nextInt(ranks),
                random.nextInt(starts),
                random.nextInt(LONGEST_DELAY_MILLIS));
    }

    @Override
    public String toString() {
        List<String> parts = new ArrayList<>();
        parts.add(
                ranks
                        + " ranks"
                        + (hosts == 1 ? "" : " on " + hosts + " hosts")
                        + (foreign ? " of a foreign command" : "")
                        + ", at most "
                        + restarts
                        + (restarts == 1 ? " restart" : " restarts"));
        if (stubborn >= 0) {
            parts.add("rank " + stubborn + " resists SIGTERM");
        }
        faults.forEach(fault -> parts.add(fault.toString()));
        if (blow != null) {
            parts.add(blow.toString());
        }
        return parts.stream().collect(Collectors.joining("; "));
    }
}
