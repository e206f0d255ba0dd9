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

/** Processes that are the ranks of one world: they start together and take turns together. */
final class RankProcesses implements AutoCloseable {

    private static final Duration LIMIT = Duration.ofMinutes(10);

    private final String name;
    private final ExecutorService threads = Executors.newCachedThreadPool();
    private final List<TurnProcess> processes = new ArrayList<>();

    /**
     * Starts all, which may have to wait for each other, and waits until they are warm.
     *
     * @param name for messages
     * @param start starts a rank
     */
    RankProcesses(String name, int size, IntFunction<TurnProcess> start) {
        this.name = name;
        List<Future<TurnProcess>> started = new ArrayList<>();
        for (int rank = 0; rank < size; rank++) {
            int mine = rank;
            started.add(threads.submit(() -> start.apply(mine)));
        }
        RuntimeException failure = null;
        for (Future<TurnProcess> process : started) {
            try {
                processes.add(get(process));
            } catch (RuntimeException e) {
                failure = failure == null ? e : failure;
            }
        }
        if (failure != null) {
            close();
            throw failure;
        }
    }

    TurnProcess first() {
        return processes.get(0);
    }

    /** Lets all ranks take steps of a kind, and returns what each tells. */
    List<TurnProcess.Turn> run(int steps, String kind) {
        List<Callable<TurnProcess.Turn>> turns = new ArrayList<>();
        processes.forEach(process -> turns.add(() -> process.run(steps, kind)));
        return all(turns);
    }

    private <T> List<T> all(List<Callable<T>> tasks) {
        List<Future<T>> running = new ArrayList<>();
        tasks.forEach(task -> running.add(threads.submit(task)));
        return running.stream().map(this::get).toList();
    }

    private <T> T get(Future<T> future) {
        try {
            return future.get(LIMIT.toMinutes(), TimeUnit.MINUTES);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw RivalException.silent(name, LIMIT);
        } catch (TimeoutException e) {
            throw RivalException.silent(name, LIMIT);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof RuntimeException known) {
                throw known;
            }
            throw new IllegalStateException(e.getCause());
        }
    }

    /** Ends them together, as ranks may wait for each other at the end. */
    @Override
    public void close() {
        boolean interrupted = Thread.interrupted();
        List<Callable<Boolean>> closing = new ArrayList<>();
        for (TurnProcess process : processes) {
            closing.add(
                    () -> {
                        process.close();
                        return true;
                    });
        }
        try {
            all(closing);
        } finally {
            threads.shutdownNow();
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
