package org.yoloddp.launch;

/** A request to a process to end in good order. */
public enum StopSignal {
    /** SIGINT, which Ctrl-C sends. */
    INTERRUPT("INT"),
    /** SIGTERM. */
    TERMINATE("TERM");

    private final String shortName;

    StopSignal(String shortName) {
        this.shortName = shortName;
    }

    /** The name that kill(1) takes. */
    String shortName() {
        return shortName;
    }
}
