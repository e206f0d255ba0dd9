package org.yoloddp.examples;

import java.util.Locale;

/**
 * What came of one part of {@code doctor --gpu}.
 *
 * @param part its name
 * @param state how it ended
 * @param text figures, or what went wrong
 * @param seconds how long it took
 */
record GpuResult(String part, State state, String text, double seconds) {

    /** How a part ended. */
    enum State {
        /** As it has to. */
        PASS,
        /** Not as it has to. */
        FAIL
    }

    static GpuResult pass(GpuPart part, String text, double seconds) {
        return new GpuResult(part.text(), State.PASS, text, seconds);
    }

    static GpuResult fail(GpuPart part, String text, double seconds) {
        return new GpuResult(part.text(), State.FAIL, text, seconds);
    }

    String line() {
        return String.format(Locale.ROOT, "%-8s %-13s %s (%.1f s)", state, part, text, seconds);
    }
}
