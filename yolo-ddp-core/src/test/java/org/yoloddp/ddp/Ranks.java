package org.yoloddp.ddp;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.UnaryOperator;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.inprocess.InProcessCommunicator;

/** Runs a body on each rank of a group of threads, and shows how each ended. */
final class Ranks {

    private static final Duration DEADLINE = Duration.ofSeconds(60);

    private Ranks() {}

    /** What one rank does. */
    interface Body<T> {
        T run(Communicator communicator) throws Exception;
    }

    /** How a rank ended. */
    record Outcome<T>(T result, Throwable failure) {}

    /** Returns every rank's result; fails if a rank does. */
    static <T> List<T> run(int size, Body<T> body) throws Exception {
        return run(size, UnaryOperator.identity(), body);
    }

    /** As {@link #run(int, Body)}, with communicators that a test has tampered with. */
    static <T> List<T> run(int size, UnaryOperator<Communicator> tamper, Body<T> body)
            throws Exception {
        List<T> results = new ArrayList<>();
        for (Outcome<T> outcome : outcomes(size, tamper, body)) {
            if (outcome.failure() != null) {
                throw new AssertionError("a rank failed", outcome.failure());
            }
            results.add(outcome.result());
        }
        return results;
    }

    /** Returns how each rank ended; one that throws aborts the group, as the trainer does. */
    static <T> List<Outcome<T>> outcomes(int size, Body<T> body) throws Exception {
        return outcomes(size, UnaryOperator.identity(), body);
    }

    private static <T> List<Outcome<T>> outcomes(
            int size, UnaryOperator<Communicator> tamper, Body<T> body) throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(size);
        try {
            List<Future<Outcome<T>>> futures = new ArrayList<>();
            for (Communicator communicator : InProcessCommunicator.group(size, DEADLINE)) {
                futures.add(threads.submit(() -> outcome(tamper.apply(communicator), body)));
            }
            List<Outcome<T>> outcomes = new ArrayList<>();
            for (Future<Outcome<T>> future : futures) {
                outcomes.add(future.get(2 * DEADLINE.toSeconds(), TimeUnit.SECONDS));
            }
            return outcomes;
        } catch (ExecutionException | TimeoutException e) {
            throw new AssertionError("a rank did not end", e);
        } finally {
            threads.shutdownNow();
        }
    }

    private static <T> Outcome<T> outcome(Communicator communicator, Body<T> body) {
        try (communicator) {
            try {
                return new Outcome<>(body.run(communicator), null);
            } catch (Throwable t) {
                communicator.abort(t);
                return new Outcome<>(null, t);
            }
        }
    }
}
