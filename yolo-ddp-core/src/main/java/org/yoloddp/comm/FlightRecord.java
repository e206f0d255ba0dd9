package org.yoloddp.comm;

import java.util.Locale;
import java.util.concurrent.TimeUnit;

/** What a {@link FlightRecorder} keeps of a call; it holds no memory of the call. Thread-safe. */
public final class FlightRecord {

    private final Fingerprint call;
    private final FlightRecorder.Place place;
    private String state = "asked for";
    private long since = System.nanoTime();
    private long failedAt;
    private boolean failed;

    FlightRecord(Fingerprint call, FlightRecorder.Place place) {
        this.call = call;
        this.place = place;
    }

    /** Takes note that the call is under way. */
    public synchronized void started() {
        state = "under way";
        since = System.nanoTime();
    }

    /**
     * Takes note that the call has ended. A call that has failed keeps the state that it had.
     *
     * @param badly whether it has failed
     */
    public synchronized void ended(boolean badly) {
        if (badly) {
            failed = true;
            failedAt = System.nanoTime();
        } else {
            state = "ended";
            since = System.nanoTime();
        }
    }

    /** How it stands, and for how long it had when it failed, or has now. */
    synchronized String state(long now) {
        long until = failed ? failedAt : now;
        return String.format(
                Locale.ROOT,
                "%s %d ms before",
                state,
                TimeUnit.NANOSECONDS.toMillis(until - since));
    }

    Fingerprint call() {
        return call;
    }

    /** Where the rank was when it asked. */
    String place() {
        return place.step() < 0 && place.phase().isEmpty()
                ? ""
                : "phase '" + place.phase() + "', step " + place.step();
    }

    /** One line: which call, where, how it stands. */
    String describe(long now) {
        return call.group()
                + " #"
                + call.sequence()
                + " "
                + call.describe()
                + (place().isEmpty() ? "" : " in " + place())
                + ": "
                + state(now);
    }
}
