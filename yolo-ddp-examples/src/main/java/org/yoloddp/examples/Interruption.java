package org.yoloddp.examples;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import sun.misc.Signal;
import sun.misc.SignalHandler;

/**
 * Turns Ctrl-C and SIGTERM into an interrupt of the thread that trains, so that all ranks end after
 * the same step and the run folder is complete. A second one ends the JVM at once.
 */
final class Interruption implements AutoCloseable {

    private record Previous(Signal signal, SignalHandler handler) {}

    private final List<Previous> previous = new ArrayList<>();
    private final AtomicInteger count = new AtomicInteger();
    private final Thread training = Thread.currentThread();
    private final Console console;

    Interruption(Console console) {
        this.console = console;
        handle("INT");
        handle("TERM");
    }

    boolean happened() {
        return count.get() > 0;
    }

    private void handle(String name) {
        try {
            Signal signal = new Signal(name);
            previous.add(new Previous(signal, Signal.handle(signal, ignored -> interrupt())));
        } catch (IllegalArgumentException e) {
            // The JVM was started with -Xrs, or the system has no such signal.
            console.warn("SIG" + name + " will end the program at once: " + e.getMessage());
        }
    }

    private void interrupt() {
        if (count.incrementAndGet() > 1) {
            Runtime.getRuntime().halt(ExitCode.INTERRUPTED);
        }
        console.warn("interrupted: ending after this step (once more to end at once)");
        training.interrupt();
    }

    /** Puts the handlers back that were there before, and clears the interrupt. */
    @Override
    public void close() {
        previous.forEach(p -> Signal.handle(p.signal, p.handler));
        if (happened()) {
            Thread.interrupted();
        }
    }
}
