package org.yoloddp.comm.testing;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.inprocess.InProcessCommunicator;

/**
 * Runs code as several ranks in a unit test. For example, that an average arrives everywhere:
 *
 * <pre>{@code
 * List<Float> means =
 *         InProcessGroup.run(
 *                 3,
 *                 communicator -> {
 *                     try (CommBuffer buffer = communicator.allocate(DType.F32, 1)) {
 *                         buffer.bytes().putFloat(0, communicator.rank());
 *                         communicator
 *                                 .allReduce(buffer, ReduceOp.AVG, ComputeStream.HOST, "mean")
 *                                 .await(communicator.deadline());
 *                         return buffer.bytes().getFloat(0);
 *                     }
 *                 },
 *                 Duration.ofSeconds(10));
 * assertEquals(List.of(1f, 1f, 1f), means);
 * }</pre>
 */
public final class InProcessGroup {

    private static final Logger LOG = LoggerFactory.getLogger(InProcessGroup.class);

    private static final Duration GRACE = Duration.ofSeconds(2);

    private InProcessGroup() {}

    /**
     * Runs a body on one thread per rank.
     *
     * <p>If a rank throws, the others fail with a {@link org.yoloddp.comm.RankFailedException}, and
     * this method throws what that rank threw. It never hangs: ranks that do not end in time are
     * interrupted, and left behind as daemon threads if that does not help.
     *
     * @param <T> the type of the results
     * @param worldSize the number of ranks
     * @param body what each rank does
     * @param deadline how long all of it may take, and each collective
     * @return the results by rank; a result may be null if the body returns null
     * @throws RanksStuckException if ranks do not end in time
     * @throws Exception the root cause if a rank fails
     */
    public static <T extends @Nullable Object> List<T> run(
            int worldSize, RankBody<T> body, Duration deadline) throws Exception {
        List<Communicator> communicators = InProcessCommunicator.group(worldSize, deadline);
        Failures failures = new Failures();
        List<FutureTask<T>> tasks = new ArrayList<>();
        List<Thread> threads = new ArrayList<>();
        for (Communicator communicator : communicators) {
            FutureTask<T> task = new FutureTask<>(() -> runRank(communicator, body, failures));
            Thread thread = new Thread(task, "rank-" + communicator.rank());
            thread.setDaemon(true);
            tasks.add(task);
            threads.add(thread);
        }
        threads.forEach(Thread::start);
        long end = System.nanoTime() + deadline.toNanos();
        List<Integer> stuck = waitFor(tasks, end);
        if (!stuck.isEmpty()) {
            RanksStuckException problem = RanksStuckException.of(stuck, worldSize, deadline);
            for (int rank : stuck) {
                problem.addSuppressed(new RanksStuckException.Stack(threads.get(rank)));
            }
            failures.add(problem);
            communicators.get(stuck.get(0)).abort(problem);
            stuck.forEach(rank -> threads.get(rank).interrupt());
            waitFor(tasks, System.nanoTime() + GRACE.toNanos());
        }
        failures.rethrow();
        List<T> results = new ArrayList<>();
        for (FutureTask<T> task : tasks) {
            results.add(task.get(0, TimeUnit.NANOSECONDS));
        }
        return results;
    }

    private static <T extends @Nullable Object> T runRank(
            Communicator communicator, RankBody<T> body, Failures failures) throws Exception {
        try (communicator) {
            try {
                return body.run(communicator);
            } catch (Exception | Error e) {
                // Before the communicator is closed, which would be taken for the cause.
                failures.add(e);
                communicator.abort(e);
                throw e;
            }
        }
    }

    private static <T extends @Nullable Object> List<Integer> waitFor(
            List<FutureTask<T>> tasks, long end) throws InterruptedException {
        for (FutureTask<T> task : tasks) {
            try {
                task.get(Math.max(0, end - System.nanoTime()), TimeUnit.NANOSECONDS);
            } catch (ExecutionException | TimeoutException e) {
                LOG.debug("A rank has failed or is late", e);
            }
        }
        return IntStream.range(0, tasks.size())
                .filter(rank -> !tasks.get(rank).isDone())
                .boxed()
                .toList();
    }

    /** Keeps the first failure, or the first that is not only a consequence of another. */
    private static final class Failures {

        private @Nullable Throwable root;

        synchronized void add(Throwable problem) {
            if (root == null
                    || (root instanceof CommunicationException
                            && !(problem instanceof CommunicationException))) {
                root = problem;
            }
        }

        synchronized void rethrow() throws Exception {
            if (root instanceof Error error) {
                throw error;
            }
            if (root instanceof Exception exception) {
                throw exception;
            }
        }
    }
}
