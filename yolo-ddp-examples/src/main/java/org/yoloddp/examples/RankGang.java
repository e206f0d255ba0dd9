package org.yoloddp.examples;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.IntFunction;
import org.yoloddp.error.YoloDdpException;

/** Threads that are ranks: what belongs to one of them is made and used by the same thread. */
final class RankGang implements AutoCloseable {

    private static final Duration LIMIT = Duration.ofMinutes(20);

    private final List<ExecutorService> threads = new ArrayList<>();

    RankGang(int ranks) {
        for (int rank = 0; rank < ranks; rank++) {
            String name = "bench-rank-" + rank;
            threads.add(
                    Executors.newSingleThreadExecutor(
                            task -> {
                                Thread thread = new Thread(task, name);
                                thread.setDaemon(true);
                                return thread;
                            }));
        }
    }

    int size() {
        return threads.size();
    }

    /** Runs something on all ranks at once and returns what it gave, by rank. */
    <T> List<T> all(IntFunction<T> body) {
        List<Future<T>> futures = new ArrayList<>();
        for (int rank = 0; rank < threads.size(); rank++) {
            int own = rank;
            Callable<T> task = () -> body.apply(own);
            futures.add(threads.get(rank).submit(task));
        }
        List<T> results = new ArrayList<>();
        for (Future<T> future : futures) {
            results.add(result(future));
        }
        return results;
    }

    private static <T> T result(Future<T> future) {
        try {
            return future.get(LIMIT.toSeconds(), TimeUnit.SECONDS);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof YoloDdpException failure) {
                throw failure;
            }
            throw new IllegalStateException("a rank has failed", e.getCause());
        } catch (TimeoutException e) {
            throw new IllegalStateException(
                    "a rank has not ended within " + LIMIT.toSeconds() + " s", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new BenchInterruptedException();
        }
    }

    @Override
    public void close() {
        threads.forEach(ExecutorService::shutdownNow);
    }
}
