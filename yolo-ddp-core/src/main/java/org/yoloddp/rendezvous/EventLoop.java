package org.yoloddp.rendezvous;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SelectableChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.time.Duration;
import java.util.ArrayList;
import java.util.PriorityQueue;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One daemon thread that moves the bytes of any number of connections, and runs timers. Only {@link
 * #execute} and {@link #close} may be called by other threads.
 */
final class EventLoop implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(EventLoop.class);
    private static final long CLOSE_MILLIS = 5000;
    private static final int CHUNK = 16 << 10;

    /** What a channel does when it can. */
    interface Handler {
        void ready(SelectionKey key) throws IOException;

        /** The handler has thrown, or the loop ends. */
        void close(IOException why);
    }

    /** Something to be done later. */
    static final class Timer implements Comparable<Timer> {

        private final long at;
        private final Runnable task;
        private boolean cancelled;

        private Timer(long at, Runnable task) {
            this.at = at;
            this.task = task;
        }

        void cancel() {
            cancelled = true;
        }

        @Override
        public int compareTo(Timer other) {
            return Long.compare(at - other.at, 0);
        }
    }

    private final Selector selector;
    private final Thread thread;
    private final Queue<Runnable> tasks = new ConcurrentLinkedQueue<>();
    private final PriorityQueue<Timer> timers = new PriorityQueue<>();
    private final ByteBuffer chunk = ByteBuffer.allocate(CHUNK);
    private volatile boolean closed;

    private EventLoop(Selector selector, String name) {
        this.selector = selector;
        this.thread = new Thread(this::run, name);
        thread.setDaemon(true);
    }

    static EventLoop start(String name) throws IOException {
        EventLoop loop = new EventLoop(Selector.open(), name);
        loop.thread.start();
        return loop;
    }

    /** Runs a task on the loop's thread, soon; never after the loop has ended. */
    void execute(Runnable task) {
        tasks.add(task);
        selector.wakeup();
    }

    boolean isClosed() {
        return closed;
    }

    /** Returns where a connection reads into while it is its turn. */
    ByteBuffer chunk() {
        return chunk;
    }

    Timer schedule(Duration delay, Runnable task) {
        Timer timer = new Timer(System.nanoTime() + delay.toNanos(), task);
        timers.add(timer);
        return timer;
    }

    SelectionKey register(SelectableChannel channel, int operations, Handler handler)
            throws IOException {
        channel.configureBlocking(false);
        return channel.register(selector, operations, handler);
    }

    private void run() {
        try {
            while (!closed) {
                selector.select(untilNextTimer());
                runTasks();
                runTimers();
                for (SelectionKey key : new ArrayList<>(selector.selectedKeys())) {
                    handle(key);
                }
                selector.selectedKeys().clear();
            }
            runTasks();
        } catch (IOException e) {
            LOG.error("{} has ended, its selector is broken", thread.getName(), e);
        } finally {
            closed = true;
            for (SelectionKey key : new ArrayList<>(selector.keys())) {
                close(key, new IOException("it was closed here"));
            }
            try {
                selector.close();
            } catch (IOException e) {
                LOG.debug("closing the selector of {}", thread.getName(), e);
            }
        }
    }

    private long untilNextTimer() {
        while (!timers.isEmpty() && timers.peek().cancelled) {
            timers.poll();
        }
        long millis = 1000;
        Timer next = timers.peek();
        if (next != null) {
            long left = TimeUnit.NANOSECONDS.toMillis(next.at - System.nanoTime()) + 1;
            millis = Math.max(1, Math.min(millis, left));
        }
        return millis;
    }

    private void runTasks() {
        for (Runnable task = tasks.poll(); task != null; task = tasks.poll()) {
            run(task);
        }
    }

    private void runTimers() {
        long now = System.nanoTime();
        while (!timers.isEmpty() && (timers.peek().cancelled || timers.peek().at - now <= 0)) {
            Timer timer = timers.poll();
            if (!timer.cancelled) {
                run(timer.task);
            }
        }
    }

    private void run(Runnable task) {
        try {
            task.run();
        } catch (RuntimeException | Error e) {
            LOG.error("{}: a task failed", thread.getName(), e);
        }
    }

    private void handle(SelectionKey key) {
        if (!key.isValid()) {
            return;
        }
        try {
            ((Handler) key.attachment()).ready(key);
        } catch (IOException e) {
            close(key, e);
        } catch (RuntimeException | Error e) {
            LOG.error("{}: a connection failed", thread.getName(), e);
            close(key, new IOException(e));
        }
    }

    private void close(SelectionKey key, IOException why) {
        try {
            ((Handler) key.attachment()).close(why);
        } catch (RuntimeException | Error e) {
            LOG.error("{}: closing a connection failed", thread.getName(), e);
        }
    }

    /** Closes all connections and ends the thread. */
    @Override
    public void close() {
        closed = true;
        selector.wakeup();
        if (Thread.currentThread() == thread) {
            return;
        }
        boolean interrupted = Thread.interrupted();
        try {
            thread.join(CLOSE_MILLIS);
            if (thread.isAlive()) {
                LOG.warn("{} did not end within {} ms", thread.getName(), CLOSE_MILLIS);
            }
        } catch (InterruptedException e) {
            interrupted = true;
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
