package org.yoloddp.nccl;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.comm.Store;
import org.yoloddp.comm.StoreTimeoutException;

/**
 * A rank's line to the {@link Judge}, through the job's store: so it needs no connection of its
 * own, is as authenticated as the store, and is the same between threads and between hosts.
 *
 * <p>Notes have one numbering for all ranks, so the judge reads them in one order; verdicts have
 * one for each rank. What is read is taken out of the store. {@link #post} never waits: a thread of
 * the line's own puts notes into the store, another one waits for verdicts.
 */
final class ControlLine {

    private static final Logger LOG = LoggerFactory.getLogger(ControlLine.class);
    private static final Duration NAP = Duration.ofSeconds(5);
    private static final Duration STORING = Duration.ofSeconds(20);
    private static final String COUNTER = "notes";

    private final Store store;
    private final int rank;
    private final Consumer<Verdict> verdicts;
    private final Consumer<RuntimeException> lost;
    private final ConcurrentLinkedQueue<Note> outbox = new ConcurrentLinkedQueue<>();
    private final ReentrantLock sending = new ReentrantLock();
    private final Thread sender;
    private final Thread listener;
    private volatile boolean closed;

    ControlLine(
            Store store, int rank, Consumer<Verdict> verdicts, Consumer<RuntimeException> lost) {
        this.store = store;
        this.rank = rank;
        this.verdicts = verdicts;
        this.lost = lost;
        this.sender = new Thread(this::send, "yolo-ddp-nccl-notes-" + rank);
        this.listener = new Thread(this::listen, "yolo-ddp-nccl-verdicts-" + rank);
        sender.setDaemon(true);
        listener.setDaemon(true);
    }

    static String note(long number) {
        return "note/" + number;
    }

    static String verdict(int rank, long number) {
        return "verdict/" + rank + "/" + number;
    }

    void start() {
        sender.start();
        listener.start();
    }

    /** Tells the judge something soon. */
    void post(Note note) {
        outbox.add(note);
        LockSupport.unpark(sender);
    }

    /** Tells the judge something now, after all that was posted before. */
    void tell(Note note, Duration deadline) {
        outbox.add(note);
        flush(deadline);
    }

    private void send() {
        while (!closed) {
            if (outbox.isEmpty()) {
                LockSupport.parkNanos(this, TimeUnit.SECONDS.toNanos(10));
            } else {
                flush(STORING);
            }
        }
    }

    private void flush(Duration deadline) {
        sending.lock();
        try {
            List<Note> notes = new ArrayList<>();
            for (Note note = outbox.poll(); note != null; note = outbox.poll()) {
                notes.add(note);
            }
            if (!notes.isEmpty() && !closed) {
                byte[] message = ControlCodec.notes(rank, notes);
                long number = store.add(COUNTER, 1, deadline) - 1;
                store.set(note(number), message, deadline);
            }
        } catch (RuntimeException e) {
            lose(e);
        } finally {
            sending.unlock();
        }
    }

    private void listen() {
        long number = 0;
        while (!closed) {
            try {
                String key = verdict(rank, number);
                byte[] message = store.get(key, NAP);
                number++;
                for (Verdict verdict : ControlCodec.verdicts(message)) {
                    closed |= verdict instanceof Verdict.Bye;
                    verdicts.accept(verdict);
                }
                // Taken only now: an answer that came too late would be lost.
                store.take(key, STORING);
            } catch (StoreTimeoutException e) {
                LOG.trace("nothing new", e);
            } catch (IOException e) {
                lose(new IllegalStateException("A verdict cannot be read", e));
            } catch (RuntimeException e) {
                lose(e);
            }
        }
        LockSupport.unpark(sender);
    }

    private void lose(RuntimeException why) {
        if (!closed) {
            closed = true;
            LockSupport.unpark(sender);
            lost.accept(why);
        }
    }

    /** Ends the line; what was posted and not told yet is lost. */
    void close() {
        closed = true;
        LockSupport.unpark(sender);
    }

    /** Returns the store, for what the ranks tell each other without a judge. */
    Store store() {
        return store;
    }

    static byte[] text(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
