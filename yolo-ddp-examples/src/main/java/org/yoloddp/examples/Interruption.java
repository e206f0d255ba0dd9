package org.yoloddp.examples;

import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Turns Ctrl-C and SIGTERM into an interrupt of the thread that made this, so that all ranks end
 * after the same step and the run folder is complete.
 *
 * <p>A shutdown hook: the JVM, which runs it for such a signal, waits for it and then ends with 128
 * and the signal's number, which is 130 for Ctrl-C.
 */
final class Interruption implements AutoCloseable {

    private static final Duration LIMIT = Duration.ofMinutes(2);

    private final Thread worker = Thread.currentThread();
    private final CountDownLatch done = new CountDownLatch(1);
    private final Thread hook = new Thread(this::interrupt, "interruption");
    private final Console console;
    private volatile boolean happened;

    Interruption(Console console) {
        this.console = console;
        Runtime.getRuntime().addShutdownHook(hook);
    }

    boolean happened() {
        return happened;
    }

    private void interrupt() {
        happened = true;
        console.warn("interrupted: ending after this step");
        worker.interrupt();
        try {
            if (!done.await(LIMIT.toSeconds(), TimeUnit.SECONDS)) {
                console.warn("the training did not end within " + LIMIT.toSeconds() + " s");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Lets a JVM that is ending end, once everything is printed. */
    @Override
    public void close() {
        done.countDown();
        if (!happened) {
            try {
                Runtime.getRuntime().removeShutdownHook(hook);
            } catch (IllegalStateException e) {
                // The JVM has just begun to end.
                happened = true;
            }
        }
    }
}
