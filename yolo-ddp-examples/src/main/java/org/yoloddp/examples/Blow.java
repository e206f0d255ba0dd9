package org.yoloddp.examples;

/**
 * What befalls a launched job from outside.
 *
 * @param kind what
 * @param rank the rank that it waits for, and befalls if it is about one
 * @param generation of which start of the ranks
 * @param delayMillis how long after that rank's process was first seen, ready or not
 */
record Blow(Kind kind, int rank, int generation, long delayMillis) {

    /** What. */
    enum Kind {
        /** A rank dies, whatever it is about to do. */
        KILL_RANK("kill -9 of rank"),
        /** All ranks die at once. */
        KILL_RANKS("kill -9 of all ranks at rank"),
        /** Somebody asks a rank to end. */
        TERM_RANK("SIGTERM to rank"),
        /** The launcher dies. */
        KILL_LAUNCHER("kill -9 of the launcher at rank"),
        /** Launcher and ranks die at once. */
        KILL_ALL("kill -9 of everything at rank"),
        /** Somebody asks the launcher to end. */
        TERM_LAUNCHER("SIGTERM to the launcher at rank"),
        /** Ctrl-C, twice. */
        INTERRUPT_TWICE("SIGINT twice to the launcher at rank"),
        /** Everybody is asked to end, as when a container stops. */
        TERM_ALL("SIGTERM to everything at rank"),
        /** The launcher stands still for longer than ranks go without its heartbeat. */
        PAUSE_LAUNCHER("SIGSTOP of the launcher for 7 s at rank");

        private final String label;

        Kind(String label) {
            this.label = label;
        }

        /** Whether the job ends by it, restarts or not. */
        boolean endsJob() {
            return this == KILL_LAUNCHER
                    || this == KILL_ALL
                    || this == TERM_LAUNCHER
                    || this == INTERRUPT_TWICE
                    || this == TERM_ALL;
        }

        /** Whether the launcher has no chance to put things in order. */
        boolean endsLauncherAtOnce() {
            return this == KILL_LAUNCHER || this == KILL_ALL;
        }
    }

    @Override
    public String toString() {
        return kind.label
                + " "
                + rank
                + " of start "
                + generation
                + ", "
                + delayMillis
                + " ms after it is there";
    }
}
