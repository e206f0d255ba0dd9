package org.yoloddp.launch;

import java.io.IOException;
import java.io.InputStream;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;

/** A worker's process with all that it has started. Tests script their own. */
interface WorkerProcess {

    /** Its number. */
    long pid();

    /** Its exit code, 128 and the number of the signal that ended it; empty while it runs. */
    OptionalInt exitCode();

    /** When it ended, by {@link System#nanoTime}'s origin; to be asked once it has ended. */
    long endedNanos();

    /** What it writes to standard output. */
    InputStream output();

    /** What it writes to standard error. */
    InputStream errors();

    /** Looks which processes it has started, to be able to end them when it is gone. */
    void observe();

    /** Asks the process and all that it has started to end. */
    void signal(StopSignal signal);

    /** Ends the process and all that it has started, at once. */
    void kill();

    /** Starts processes. */
    @FunctionalInterface
    interface Factory {

        /**
         * Starts one.
         *
         * @param command program and arguments
         * @param environment all of its environment
         * @param keepInput whether its standard input stays open as long as this process lives;
         *     otherwise it ends at once
         * @throws IOException if it cannot be started
         */
        WorkerProcess start(
                List<String> command, Map<String, String> environment, boolean keepInput)
                throws IOException;
    }
}
