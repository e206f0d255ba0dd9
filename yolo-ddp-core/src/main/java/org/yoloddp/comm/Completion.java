package org.yoloddp.comm;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The end of an operation, well or not: who wants to know of it, and who waits for it. For
 * communicators; thread-safe.
 */
public class Completion {

    private final ConcurrentLinkedQueue<Thread> waiting = new ConcurrentLinkedQueue<>();

    /** Guards what follows; taken last. */
    private final Object watching = new Object();

    private boolean ending;
    private List<Runnable> watchers = List.of();
    private @Nullable CommunicationException failure;
    private volatile boolean done;

    /** Creates the end of an operation that goes on. */
    public Completion() {}

    /**
     * Ends the operation, once: tells the watchers, then whoever looks, then whoever waits.
     *
     * @param cause why it failed, null if it did not
     * @return false if it had been ended before, in which case nothing is changed
     */
    public final boolean complete(@Nullable CommunicationException cause) {
        List<Runnable> told;
        synchronized (watching) {
            if (ending) {
                return false;
            }
            ending = true;
            failure = cause;
            told = watchers;
            watchers = List.of();
        }
        told.forEach(Runnable::run);
        done = true;
        wake();
        return true;
    }

    /**
     * Calls an action at the end, just before {@link #isDone} tells, or at once if that has come.
     *
     * @param action what to do; it must neither block nor throw
     */
    public final void whenEnded(Runnable action) {
        synchronized (watching) {
            if (!ending) {
                List<Runnable> more = new ArrayList<>(watchers);
                more.add(action);
                watchers = more;
                return;
            }
        }
        action.run();
    }

    /**
     * Tells whether the operation has ended.
     *
     * @return true once it has
     */
    public final boolean isDone() {
        return done;
    }

    /**
     * Returns why the operation failed.
     *
     * @return the failure, null as long as it is not done and after success
     */
    public final @Nullable CommunicationException failure() {
        return done ? failure : null;
    }

    /** Wakes the threads that wait for the operation, to look again. */
    public final void wake() {
        for (Thread thread : waiting) {
            LockSupport.unpark(thread);
        }
    }

    /**
     * Tells whether threads wait for the operation.
     *
     * @return true if there is one
     */
    public final boolean hasWaiting() {
        return !waiting.isEmpty();
    }

    /**
     * Lets the current thread wait a little, or until it is woken. Whoever waits looks again and
     * again.
     *
     * @param nanos how long
     * @param isNeeded looked at once the thread can be woken; it does not wait if that is false
     */
    public final void park(long nanos, BooleanSupplier isNeeded) {
        waiting.add(Thread.currentThread());
        try {
            if (!done && isNeeded.getAsBoolean()) {
                LockSupport.parkNanos(this, nanos);
            }
        } finally {
            waiting.remove(Thread.currentThread());
        }
    }
}
