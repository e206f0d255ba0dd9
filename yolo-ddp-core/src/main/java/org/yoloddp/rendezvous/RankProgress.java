package org.yoloddp.rendezvous;

import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.Fingerprint;

/** Where this rank is. Written by its threads, read by the channel's. */
final class RankProgress {

    private static final int STEPS = 31;

    private final Heartbeats heartbeats;
    private final LongSupplier nanoTime;
    private final long[] stepNanos = new long[STEPS];
    private String phase = "";
    private long step = -1;
    private long steps;
    private long stepAt;
    private long movedAt;
    private @Nullable Fingerprint call;
    private boolean waiting;

    RankProgress(Heartbeats heartbeats, LongSupplier nanoTime) {
        this.heartbeats = heartbeats;
        this.nanoTime = nanoTime;
        this.movedAt = nanoTime.getAsLong();
    }

    synchronized void at(String newPhase, long newStep) {
        long now = nanoTime.getAsLong();
        if (newStep == step + 1 && step >= 0) {
            stepNanos[(int) (steps++ % STEPS)] = now - stepAt;
        }
        phase = newPhase;
        step = newStep;
        stepAt = now;
        movedAt = now;
    }

    synchronized void waiting(Fingerprint newCall) {
        call = newCall;
        waiting = true;
        movedAt = nanoTime.getAsLong();
    }

    synchronized void finished(Fingerprint newCall) {
        call = newCall;
        waiting = false;
        movedAt = nanoTime.getAsLong();
    }

    synchronized Beat beat() {
        Fingerprint last = call;
        return new Beat(
                phase,
                step,
                last == null ? -1 : last.sequence(),
                last == null ? "" : last.describe(),
                waiting || Heartbeats.isWaiting(phase),
                TimeUnit.NANOSECONDS.toMillis(nanoTime.getAsLong() - movedAt),
                heartbeats.stallTimeout(phase, medianStep()).toMillis(),
                heartbeats.interval().toMillis(),
                heartbeats.silence().toMillis());
    }

    private Duration medianStep() {
        int known = (int) Math.min(steps, STEPS);
        if (known == 0) {
            return Duration.ZERO;
        }
        long[] sorted = Arrays.copyOf(stepNanos, known);
        Arrays.sort(sorted);
        return Duration.ofNanos(sorted[known / 2]);
    }
}
