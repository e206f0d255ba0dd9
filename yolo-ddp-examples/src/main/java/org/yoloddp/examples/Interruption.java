package org.yoloddp.examples;

import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.yoloddp.DistributedTrainer;
import org.yoloddp.launch.StopSignal;
import org.yoloddp.train.TrainingRun;

/**
 * Turns Ctrl-C and SIGTERM into an interrupt of the thread that made this, so that all ranks end
 * after the same step and the run folder is complete.
 *
 * <p>A shutdown hook: the JVM, which runs it for such a signal, waits for it and then ends with 128
 * and the signal's number, which is 130 for Ctrl-C. What is left can be cut short by a second
 * signal: from the first on, signals are handled here, since the JVM would only wait for its hook.
 */
final class Interruption implements AutoCloseable {

    private static final Duration LIMIT = Duration.ofMinutes(2);
    private static final long AGAIN_MILLIS = 100;

    private final Thread worker = Thread.currentThread();
    private final CountDownLatch done = new CountDownLatch(1);
    private final Thread hook = new Thread(this::interrupt, "interruption");
    private final Console console;
    private final boolean secondEndsNow;
    private volatile boolean happened;
    private volatile boolean starting;

    /** One that signals cannot cut short. */
    Interruption(Console console) {
        this(console, false);
    }

    /**
     * Begins.
     *
     * @param console where it is told
     * @param secondEndsNow whether another signal ends the JVM at once. Not for a rank that a
     *     launcher has started: a terminal sends Ctrl-C to it as well as to the launcher, which
     *     passes it on, so that one Ctrl-C comes twice
     */
    Interruption(Console console, boolean secondEndsNow) {
        this.console = console;
        this.secondEndsNow = secondEndsNow;
        Runtime.getRuntime().addShutdownHook(hook);
    }

    boolean happened() {
        return happened;
    }

    /**
     * Starts a training, which a signal cancels. Until it has started, the thread is interrupted
     * again and again: what it calls may lose an interrupt, such as the loading of native
     * libraries, and it may then wait for ranks that the signal has ended.
     */
    TrainingRun start(DistributedTrainer trainer) {
        starting = true;
        try {
            TrainingRun run = trainer.start();
            if (happened) {
                run.cancel();
            }
            return run;
        } finally {
            starting = false;
        }
    }

    private void interrupt() {
        happened = true;
        try (Signals again = secondEndsNow ? new Signals(this::endNow) : null) {
            console.warn(
                    "interrupted: ending after this step"
                            + (again == null ? "" : "; once more ends at once"));
            worker.interrupt();
            long end = System.nanoTime() + LIMIT.toNanos();
            while (!done.await(AGAIN_MILLIS, TimeUnit.MILLISECONDS)) {
                if (starting) {
                    worker.interrupt();
                }
                if (System.nanoTime() - end >= 0) {
                    console.warn("the training did not end within " + LIMIT.toSeconds() + " s");
                    return;
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void endNow(StopSignal signal, int count) {
        console.warn("interrupted again: ending at once; the run folder may be incomplete");
        Runtime.getRuntime()
                .halt(signal == StopSignal.INTERRUPT ? ExitCode.INTERRUPTED : ExitCode.TERMINATED);
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
