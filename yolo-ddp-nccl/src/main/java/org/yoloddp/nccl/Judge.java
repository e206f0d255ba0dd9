package org.yoloddp.nccl;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.comm.HelperThread;
import org.yoloddp.comm.Store;
import org.yoloddp.comm.StoreTimeoutException;

/**
 * The thread that keeps the {@link Ledger}, in the process of rank 0: it takes the ranks' notes out
 * of the store in the order of their numbers, and puts its verdicts there. It ends when all ranks
 * have left, or the store has.
 */
final class Judge implements Ledger.Out {

    private static final Logger LOG = LoggerFactory.getLogger(Judge.class);
    private static final Duration NAP = Duration.ofSeconds(5);
    private static final Duration STORING = Duration.ofSeconds(20);

    private record Later(long at, long order, Runnable action) {}

    private final Store store;
    private final Ledger ledger;
    private final HelperThread thread;
    private final Map<Integer, List<Verdict>> verdicts = new LinkedHashMap<>();
    private final Map<Integer, Long> told = new HashMap<>();
    private final PriorityQueue<Later> timers =
            new PriorityQueue<>(Comparator.comparingLong(Later::at).thenComparing(Later::order));
    private long orders;

    private Judge(Store store, int size) {
        this.store = store;
        this.ledger = new Ledger(size, this);
        this.thread = new HelperThread("yolo-ddp-nccl-judge", this::run);
    }

    /** Begins to judge the ranks that use a store. */
    static Judge start(Store store, int size) {
        Judge judge = new Judge(store, size);
        judge.thread.start();
        return judge;
    }

    /** Waits until all ranks have left, or for so long. */
    void awaitEnd(Duration longest) {
        thread.join(longest);
    }

    private void run() {
        try {
            long number = 0;
            while (!ledger.isEmpty()) {
                try {
                    String key = ControlLine.note(number);
                    accept(store.get(key, untilNextTimer()));
                    number++;
                    // Taken only now: an answer that came too late would be lost.
                    tellAll();
                    store.take(key, STORING);
                } catch (StoreTimeoutException e) {
                    LOG.trace("nothing new", e);
                }
                runTimers();
                tellAll();
            }
        } catch (RuntimeException | IOException e) {
            // The ranks lose the store as well, and say so.
            LOG.debug("the judge has lost the store", e);
        }
    }

    private Duration untilNextTimer() {
        Later next = timers.peek();
        return next == null
                ? NAP
                : Duration.ofNanos(Math.max(1_000_000, next.at() - System.nanoTime()));
    }

    private void accept(byte[] message) throws IOException {
        ControlCodec.Notes notes = ControlCodec.notes(message);
        for (Note note : notes.notes()) {
            ledger.accept(notes.rank(), note);
        }
    }

    private void runTimers() {
        for (Later next = timers.peek();
                next != null && next.at() - System.nanoTime() <= 0;
                next = timers.peek()) {
            timers.poll();
            next.action().run();
        }
    }

    private void tellAll() {
        verdicts.forEach(
                (rank, list) -> {
                    long number = told.merge(rank, 1L, Long::sum) - 1;
                    byte[] message = ControlCodec.verdicts(list);
                    store.set(ControlLine.verdict(rank, number), message, STORING);
                });
        verdicts.clear();
    }

    @Override
    public void tell(int worldRank, Verdict verdict) {
        List<Verdict> list = verdicts.computeIfAbsent(worldRank, r -> new ArrayList<>());
        if (verdict instanceof Verdict.Matched) {
            list.removeIf(
                    other ->
                            other instanceof Verdict.Matched
                                    && other.group().equals(verdict.group()));
        }
        list.add(verdict);
    }

    @Override
    public void later(Duration moment, Runnable action) {
        timers.add(new Later(System.nanoTime() + moment.toNanos(), orders++, action));
    }
}
