package org.yoloddp.examples;

import java.io.IOException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.regex.Pattern;

/** What can befall a rank, done by the rank to itself, and how the launcher's report tells it. */
enum Fault {
    /** Dies without a word, as by the kernel's out-of-memory killer. */
    KILL("kill -9", "was ended by SIGKILL \\(exit code 137\\).*"),
    /** Stops, with its connections open. */
    STOP("SIGSTOP", Ends.SILENT),
    /** Throws in the middle of a step. */
    EXCEPTION(
            "exception",
            "ended with exit code 1; last error line: IllegalStateException: the sample is broken"),
    /** Runs out of memory, as far as it can be known: an Error that nobody has expected. */
    MEMORY("OutOfMemoryError", "ended with exit code 1; last error line: .*OutOfMemoryError.*"),
    /** Ends the JVM in good order while the others still need it. */
    EXIT("System.exit(0)", "ended with exit code 0 while the others still needed it.*"),
    /** Ends the JVM at once. */
    HALT("Runtime.halt(7)", "ended with exit code 7.*"),
    /** Computes for ever; noticed by the stall timeout, which is shortened to two seconds. */
    LOOP(
            "endless loop",
            "was stopped, since it no longer took part; last error line: "
                    + Ends.SAYS
                    + ": RankFailedException: Rank \\d+ .*no progress for more than .*"),
    /** Loses its connections to the job's store. */
    CUT("closed connection", Ends.LOST),
    /** Keeps its connections, but nothing comes through any more. */
    MUTE("half-open connection", Ends.LOST + "|" + Ends.SILENT);

    private static final class Ends {
        static final String SAYS = "(rank \\d+ says|the job's store says)";
        static final String SILENT =
                "was stopped, since it no longer took part; last error line: "
                        + SAYS
                        + ": RankFailedException: Rank \\d+ .*no (heartbeat|progress) for more than"
                        + " .*";
        static final String LOST = "ended with exit code 1; last error line: StoreLostException.*";
    }

    private final String label;
    private final Pattern end;

    Fault(String label, String end) {
        this.label = label;
        this.end = Pattern.compile(end);
    }

    /** Its name in reports. */
    String label() {
        return label;
    }

    /** Whether the launcher may say so of a rank's end, behind who it was. */
    boolean ends(String description) {
        return end.matcher(description).matches();
    }

    /** Whether this befalls the rank's connections. */
    boolean isOfConnections() {
        return this == CUT || this == MUTE;
    }

    /**
     * Befalls this process.
     *
     * @param relay stands between this rank and the store, if that is what the fault is about
     */
    void strike(Relay relay) {
        switch (this) {
            case KILL -> signalItself("KILL");
            case STOP -> signalItself("STOP");
            case EXCEPTION -> throw new IllegalStateException("the sample is broken");
            case MEMORY -> throw new OutOfMemoryError("as if the heap were full");
            case EXIT -> System.exit(ExitCode.DONE);
            case HALT -> Runtime.getRuntime().halt(7);
            case LOOP -> {
                while (!Thread.interrupted()) {
                    Thread.onSpinWait();
                }
            }
            case CUT -> relay.cut();
            case MUTE -> relay.mute();
        }
    }

    /** Befalls this process, where it is not about connections. */
    void strike() {
        if (isOfConnections()) {
            throw new IllegalStateException(this + " befalls connections");
        }
        strike(null);
    }

    private static void signalItself(String name) {
        String pid = Long.toString(ProcessHandle.current().pid());
        try {
            Process kill = new ProcessBuilder("kill", "-" + name, pid).start();
            if (!kill.waitFor(30, TimeUnit.SECONDS) || kill.exitValue() != 0) {
                throw new IllegalStateException("kill -" + name + " had no effect");
            }
            // The signal is on its way: what follows does not belong to this rank's life.
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(50));
        } catch (IOException e) {
            throw new IllegalStateException("there is no kill(1)", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
