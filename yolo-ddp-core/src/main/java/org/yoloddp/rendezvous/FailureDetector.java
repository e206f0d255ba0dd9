package org.yoloddp.rendezvous;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/**
 * Decides from heartbeats who is silent and who stalls. Knows no socket, and time only by the clock
 * that it is given; used by one thread.
 */
final class FailureDetector {

    /**
     * A rank that is silent or stalls.
     *
     * @param rank the rank
     * @param stalls true if it lives but makes no progress, false if it is silent
     * @param text what was seen
     */
    record Suspect(int rank, boolean stalls, String text) {}

    private static final class Watched {
        Beat beat = Beat.NONE;
        long heard;
    }

    private final Duration silence;
    private final LongSupplier nanoTime;
    private final Map<Integer, Watched> ranks = new TreeMap<>();
    private long checked;

    FailureDetector(Duration silence, LongSupplier nanoTime) {
        this.silence = silence;
        this.nanoTime = nanoTime;
        this.checked = nanoTime.getAsLong();
    }

    void heard(int rank, Beat beat) {
        Watched watched = ranks.computeIfAbsent(rank, r -> new Watched());
        watched.beat = beat;
        watched.heard = nanoTime.getAsLong();
    }

    void forget(int rank) {
        ranks.remove(rank);
    }

    Beat last(int rank) {
        Watched watched = ranks.get(rank);
        return watched == null ? Beat.NONE : watched.beat;
    }

    /** Finds the first rank that is silent, or else one that stalls. To be asked often. */
    Optional<Suspect> check() {
        long now = nanoTime.getAsLong();
        long gap = now - checked;
        checked = now;
        if (gap > silence.toNanos() / 2) {
            // It was this process that slept, so the silence of others means nothing.
            ranks.values().forEach(watched -> watched.heard += gap);
            return Optional.empty();
        }
        Optional<Suspect> silent = silent(now);
        return silent.isPresent() ? silent : stalled(now);
    }

    private Optional<Suspect> silent(long now) {
        return ranks.entrySet().stream()
                .filter(entry -> now - entry.getValue().heard > silence.toNanos())
                .map(
                        entry ->
                                new Suspect(
                                        entry.getKey(),
                                        false,
                                        "no heartbeat for more than "
                                                + silence.toMillis()
                                                + " ms: it is stopped, starved or cut off"))
                .findFirst();
    }

    private Optional<Suspect> stalled(long now) {
        List<Integer> waiting = new ArrayList<>();
        ranks.forEach(
                (rank, watched) -> {
                    if (watched.beat.waiting()) {
                        waiting.add(rank);
                    }
                });
        if (waiting.isEmpty()) {
            return Optional.empty();
        }
        for (Map.Entry<Integer, Watched> entry : ranks.entrySet()) {
            Beat beat = entry.getValue().beat;
            long idle =
                    beat.idleMillis() + TimeUnit.NANOSECONDS.toMillis(now - entry.getValue().heard);
            if (!beat.waiting() && idle > beat.limitMillis()) {
                return Optional.of(
                        new Suspect(
                                entry.getKey(),
                                true,
                                "no progress for more than "
                                        + beat.limitMillis()
                                        + " ms while "
                                        + Texts.ranks(waiting)
                                        + (waiting.size() == 1 ? " waits" : " wait")
                                        + " for it"));
            }
        }
        return Optional.empty();
    }
}
