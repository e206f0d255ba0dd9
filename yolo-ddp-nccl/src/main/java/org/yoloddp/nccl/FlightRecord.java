package org.yoloddp.nccl;

import java.util.Locale;
import java.util.concurrent.TimeUnit;
import org.yoloddp.comm.Fingerprint;

/** What the flight recorder keeps of a call; it holds no memory of the call. */
final class FlightRecord {

    private enum State {
        ASKED_FOR("asked for"),
        ON_DEVICE("on the device"),
        ENDED("ended"),
        FAILED("failed");

        private final String text;

        State(String text) {
            this.text = text;
        }
    }

    private final Fingerprint call;
    private final String place;
    private final long asked = System.nanoTime();
    private State state = State.ASKED_FOR;
    private long since = asked;

    FlightRecord(Fingerprint call, String place) {
        this.call = call;
        this.place = place;
    }

    synchronized void launched() {
        to(State.ON_DEVICE);
    }

    synchronized void ended(boolean failed) {
        to(failed ? State.FAILED : State.ENDED);
    }

    private void to(State next) {
        state = next;
        since = System.nanoTime();
    }

    /** One line: which call, where, how it stands, and for how long. */
    synchronized String describe(long now) {
        return String.format(
                Locale.ROOT,
                "%s #%d %s%s: %s %d ms ago",
                call.group(),
                call.sequence(),
                call.describe(),
                place.isEmpty() ? "" : " in " + place,
                state.text,
                TimeUnit.NANOSECONDS.toMillis(now - since));
    }
}
