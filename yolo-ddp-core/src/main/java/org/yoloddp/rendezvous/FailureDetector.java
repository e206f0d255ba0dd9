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
 * Decides from heartbeats who is silent and who stalls, by the limits that come with them. Knows no
 * socket, and time only by the clock that it is given; used by one thread.
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
        Beat beat;
        long heard;

        Watched(Beat beat) {
            this.beat = beat;
        }

        long silentNanos() {
            return TimeUnit.MILLISECONDS.toNanos(beat.silenceMillis());
        }
    }

    private final Beat none;
    private final LongSupplier nanoTime;
    private final Map<Integer, Watched> ranks = new TreeMap<>();
    private long checked;

    /** The heartbeats are those of ranks that have not sent any yet. */
    FailureDetector(Heartbeats heartbeats, LongSupplier nanoTime) {
        this.none = Beat.none(heartbeats);
        this.nanoTime = nanoTime;
        this.checked = nanoTime.getAsLong();
    }

    void connected(int rank) {
        heard(rank, none);
    }

    void heard(int rank, Beat beat) {
        Watched watched = ranks.computeIfAbsent(rank, r -> new Watched(beat));
        watched.beat = beat;
        watched.heard = nanoTime.getAsLong();
    }

    void forget(int rank) {
        ranks.remove(rank);
    }

    Beat last(int rank) {
        Watched watched = ranks.get(rank);
        return watched == null ? none : watched.beat;
    }

    /** Returns how often ranks send heartbeats: the shortest interval of any. */
    Duration interval() {
        return Duration.ofMillis(
                ranks.values().stream()
                        .mapToLong(watched -> watched.beat.intervalMillis())
                        .min()
                        .orElse(none.intervalMillis()));
    }

    /** Finds the first rank that is silent, or else one that stalls. To be asked often. */
    Optional<Suspect> check() {
        long now = nanoTime.getAsLong();
        long gap = now - checked;
        checked = now;
        long shortest =
                ranks.values().stream().mapToLong(Watched::silentNanos).min().orElse(gap * 2);
        if (gap > shortest / 2) {
            // It was this process that slept, so the silence of others means nothing.
            ranks.values().forEach(watched -> watched.heard += gap);
            return Optional.empty();
        }
        Optional<Suspect> silent = silent(now);
        return silent.isPresent() ? silent : stalled(now);
    }

    private Optional<Suspect> silent(long now) {
        return ranks.entrySet().stream()
                .filter(entry -> now - entry.getValue().heard > entry.getValue().silentNanos())
                .map(
                        entry ->
                                new Suspect(
                                        entry.getKey(),
                                        false,
                                        "no heartbeat for more than "
                                                + entry.getValue().beat.silenceMillis()
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
