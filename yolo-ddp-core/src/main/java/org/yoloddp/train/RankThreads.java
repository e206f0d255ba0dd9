package org.yoloddp.train;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.BiFunction;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.comm.CommunicationException;

/**
 * The threads of the ranks of this JVM.
 *
 * <p>The first failure is the root cause: a rank records it before it aborts the group, so what the
 * others throw afterwards is a consequence.
 *
 * <p>Native memory is freed only by or after its rank's thread. A thread that is left behind keeps
 * its communicator and arrays, and frees them itself if it ends after all.
 */
final class RankThreads {

    private static final Logger LOG = LoggerFactory.getLogger(RankThreads.class);

    private final List<Rank> ranks = new ArrayList<>();
    private final List<RankResult> results = new ArrayList<>();
    private final BiFunction<RankPlace, RankWatch, RankResult> body;
    private final CountDownLatch running;
    private volatile long lastProgress = System.nanoTime();
    private @Nullable Throwable rootCause;

    RankThreads(List<RankPlace> places, BiFunction<RankPlace, RankWatch, RankResult> body) {
        this.body = body;
        running = new CountDownLatch(places.size());
        places.forEach(place -> ranks.add(new Rank(place)));
    }

    /** One rank; what isn't final is guarded by the lock of all. */
    private final class Rank implements RankWatch {

        final RankPlace place;
        final Thread thread;
        private boolean reported;
        private boolean ended;
        private boolean left;

        Rank(RankPlace place) {
            this.place = place;
            thread = new Thread(this::run, "yolo-ddp-rank-" + place.communicator().rank());
            thread.setDaemon(true);
        }

        private void run() {
            try {
                keep(body.apply(place, this));
            } catch (Throwable t) {
                failed(t);
            } finally {
                end();
            }
        }

        private void keep(RankResult result) {
            synchronized (RankThreads.this) {
                if (!left) {
                    results.add(result);
                    return;
                }
            }
            result.close();
        }

        @Override
        public void progress() {
            lastProgress = System.nanoTime();
        }

        @Override
        public Throwable failed(Throwable failure) {
            Throwable first;
            synchronized (RankThreads.this) {
                rootCause = rootCause == null ? failure : rootCause;
                first = rootCause;
                if (reported) {
                    return first;
                }
                reported = true;
            }
            // Not where all ranks found the same, or where one fails for the other.
            if (!(failure instanceof CommunicationException)
                    && !failure.toString().equals(first.toString())) {
                LOG.warn("{} failed too, after another rank", thread.getName(), failure);
            }
            place.communicator().abort(failure);
            return first;
        }

        void end() {
            try {
                boolean late;
                synchronized (RankThreads.this) {
                    ended = true;
                    late = left;
                }
                if (late) {
                    LOG.info("{} has ended after all and frees its memory", thread.getName());
                    place.communicator().close();
                }
            } finally {
                running.countDown();
            }
        }

        /** Never frees anything under a thread that runs. */
        boolean leave() {
            left = !ended && thread.getState() != Thread.State.NEW;
            return left;
        }
    }

    /** Starts all; if the system refuses a thread, the training fails with what it said. */
    void start() {
        boolean refused = false;
        for (Rank rank : ranks) {
            try {
                if (!refused) {
                    rank.thread.start();
                }
            } catch (Throwable t) {
                refused = true;
                rank.failed(t);
            }
            if (refused) {
                rank.end();
            }
        }
    }

    /** Waits a while and tells whether all ranks have ended. */
    boolean await(long time, TimeUnit unit) throws InterruptedException {
        return running.await(time, unit);
    }

    /** Returns when a rank last made progress, in nanoseconds. */
    long lastProgress() {
        return lastProgress;
    }

    /** Tells whether a thread belongs to a rank. */
    boolean contains(Thread thread) {
        return ranks.stream().anyMatch(rank -> rank.thread == thread);
    }

    /** Tells whether the ranks are to end, also if one that hangs does not know it. */
    synchronized boolean areToEnd() {
        return rootCause != null || failureOfGroup() != null;
    }

    private @Nullable Throwable failureOfGroup() {
        for (Rank rank : ranks) {
            Optional<CommunicationException> failure = rank.place.communicator().failure();
            if (!rank.ended && failure.isPresent()) {
                return failure.get().copy();
            }
        }
        return null;
    }

    /** Returns what the ranks returned; empty unless all ended well. */
    synchronized List<RankResult> results() {
        return List.copyOf(results);
    }

    /**
     * Leaves behind the ranks that had their time to end, and disconnects the others.
     *
     * @return the failure to report, null if all is well
     */
    @Nullable Throwable close() {
        List<Thread> left = new ArrayList<>();
        List<RankPlace> ended = new ArrayList<>();
        Throwable failure;
        synchronized (this) {
            rootCause = rootCause == null ? failureOfGroup() : rootCause;
            for (Rank rank : ranks) {
                if (rank.leave()) {
                    left.add(rank.thread);
                } else {
                    ended.add(rank.place);
                }
            }
            failure = rootCause;
        }
        if (!left.isEmpty()) {
            RankThreadLeftException stuck = RankThreadLeftException.of(left);
            LOG.warn(stuck.getMessage());
            failure = Failures.add(failure, stuck);
        }
        for (RankPlace place : ended) {
            try {
                place.communicator().close();
            } catch (Throwable t) {
                failure = Failures.add(failure, t);
            }
        }
        return failure;
    }
}
