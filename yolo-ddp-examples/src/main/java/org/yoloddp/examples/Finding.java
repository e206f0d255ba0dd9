package org.yoloddp.examples;

/**
 * One thing that the doctor looked at.
 *
 * @param state how it is
 * @param subject what it is
 * @param text what was found, and what to do where it isn't well
 */
record Finding(State state, String subject, String text) {

    /** How a thing is. */
    enum State {
        /** As it has to be. */
        OK,
        /** Neither needed nor wrong. */
        INFO,
        /** Works, but not well. */
        WARNING,
        /** Training is not possible so. */
        MISSING
    }

    static Finding ok(String subject, String text) {
        return new Finding(State.OK, subject, text);
    }

    static Finding info(String subject, String text) {
        return new Finding(State.INFO, subject, text);
    }

    static Finding warning(String subject, String text) {
        return new Finding(State.WARNING, subject, text);
    }

    static Finding missing(String subject, String text) {
        return new Finding(State.MISSING, subject, text);
    }
}
