package org.yoloddp.train;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The threads of the ranks of this JVM.
 *
 * <p>The first failure is the root cause: a rank records it before it aborts the group, so what the
 * others throw afterwards is a consequence.
 *
 * @param <T> what a rank returns
 */
final class RankThreads<T> {

    private static final Logger LOG = LoggerFactory.getLogger(RankThreads.class);

    private final List<Thread> threads = new ArrayList<>();
    private final Set<Thread> active = ConcurrentHashMap.newKeySet();
    private final List<T> results = new ArrayList<>();
    private final CountDownLatch running;
    private @Nullable Throwable rootCause;

    RankThreads(List<RankPlace> places, Function<RankPlace, T> body) {
        running = new CountDownLatch(places.size());
        for (RankPlace place : places) {
            String name = "yolo-ddp-rank-" + place.communicator().rank();
            Thread thread = new Thread(() -> run(place, body), name);
            thread.setDaemon(true);
            threads.add(thread);
            active.add(thread);
        }
    }

    void start() {
        threads.forEach(Thread::start);
    }

    private void run(RankPlace place, Function<RankPlace, T> body) {
        try {
            T result = body.apply(place);
            synchronized (this) {
                results.add(result);
            }
        } catch (Throwable t) {
            synchronized (this) {
                rootCause = rootCause == null ? t : rootCause;
            }
            place.communicator().abort(t);
        } finally {
            active.remove(Thread.currentThread());
            running.countDown();
        }
    }

    /** Waits a while and tells whether all ranks have ended. */
    boolean await(long time, TimeUnit unit) throws InterruptedException {
        return running.await(time, unit);
    }

    /** Returns why the ranks are ending, null while all is well. */
    synchronized @Nullable Throwable rootCause() {
        return rootCause;
    }

    /** Returns what the ranks returned; empty unless all ended well. */
    synchronized List<T> results() {
        return List.copyOf(results);
    }

    /** Returns the failure to report once all ranks had their time to end. */
    synchronized @Nullable Throwable failure() {
        if (active.isEmpty()) {
            return rootCause;
        }
        RankThreadLeftException left = RankThreadLeftException.of(active);
        LOG.warn(left.getMessage());
        if (rootCause == null) {
            return left;
        }
        rootCause.addSuppressed(left);
        return rootCause;
    }
}
