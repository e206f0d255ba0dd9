package org.yoloddp.comm;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/** Runs ranks on threads and keeps what each one returns or throws. */
final class RankGroup {

    interface Body<T> {
        T run(Communicator communicator) throws Exception;
    }

    record Outcome<T>(@Nullable T value, @Nullable Throwable failure) {}

    private RankGroup() {}

    /** Runs all ranks to their end; nothing is aborted or closed but by the body. */
    static <T> List<Outcome<T>> outcomes(List<Communicator> communicators, Body<T> body)
            throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(communicators.size());
        try {
            List<Future<T>> futures = new ArrayList<>();
            for (Communicator communicator : communicators) {
                futures.add(threads.submit(() -> body.run(communicator)));
            }
            List<Outcome<T>> outcomes = new ArrayList<>();
            for (Future<T> future : futures) {
                try {
                    outcomes.add(new Outcome<>(future.get(60, TimeUnit.SECONDS), null));
                } catch (ExecutionException e) {
                    outcomes.add(new Outcome<>(null, e.getCause()));
                } catch (TimeoutException e) {
                    throw new AssertionError("A rank hangs", e);
                }
            }
            return outcomes;
        } finally {
            threads.shutdownNow();
        }
    }

    /** Runs all ranks, which must not fail. */
    static <T> List<T> results(List<Communicator> communicators, Body<T> body) throws Exception {
        List<T> results = new ArrayList<>();
        for (Outcome<T> outcome : outcomes(communicators, body)) {
            if (outcome.failure() != null) {
                throw new AssertionError(outcome.failure());
            }
            results.add(outcome.value());
        }
        return results;
    }

    /** Runs all ranks, which must all fail, and returns what they throw. */
    static List<Throwable> failures(List<Communicator> communicators, Body<?> body)
            throws Exception {
        List<Throwable> failures = new ArrayList<>();
        for (Outcome<?> outcome : outcomes(communicators, body)) {
            if (outcome.failure() == null) {
                throw new AssertionError("Rank " + failures.size() + " did not fail");
            }
            failures.add(outcome.failure());
        }
        return failures;
    }
}
