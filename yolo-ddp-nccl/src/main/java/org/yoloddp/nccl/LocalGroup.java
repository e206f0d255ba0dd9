package org.yoloddp.nccl;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * The ranks of one group that are threads of this process.
 *
 * <p>Kernels of NCCL wait for each other across devices, so a process that gave device 0 the
 * collectives a, b and device 1 b, a would hang. Therefore a collective is launched when all local
 * ranks have asked for it, on all local devices together, by the thread that came last, and one
 * such launch at a time in the whole process. A rank that is alone in its process launches at once.
 * Messages are launched as they come. Calls at the same place that differ are not launched at all:
 * the ledger tells what is wrong with them.
 */
final class LocalGroup {

    private static final Map<String, LocalGroup> ALL = new ConcurrentHashMap<>();

    /** What the group knows of one of its ranks. */
    private static final class Slot {
        final NcclGroup rank;
        final ArrayDeque<NcclWork> queue = new ArrayDeque<>();
        boolean busy;
        boolean released;

        Slot(NcclGroup rank) {
            this.rank = rank;
        }
    }

    private final String key;
    private final int size;
    private final List<Slot> slots = new ArrayList<>();

    private LocalGroup(String key, int size) {
        this.key = key;
        this.size = size;
    }

    /** Enters a rank; all that give one key are of one group, and it has so many local ranks. */
    static LocalGroup join(String key, int size, NcclGroup rank) {
        LocalGroup group = ALL.computeIfAbsent(key, k -> new LocalGroup(k, size));
        synchronized (group) {
            group.slots.add(new Slot(rank));
        }
        return group;
    }

    private Slot slot(NcclGroup rank) {
        for (Slot slot : slots) {
            if (slot.rank == rank) {
                return slot;
            }
        }
        throw new IllegalStateException("not a rank of this process: " + rank);
    }

    void submit(NcclWork work) {
        synchronized (this) {
            slot(work.group).queue.add(work);
        }
        List<NcclWork> batch = next();
        while (!batch.isEmpty()) {
            NcclLaunch.launch(batch);
            batch = after(batch);
        }
    }

    private synchronized List<NcclWork> after(List<NcclWork> launched) {
        for (NcclWork work : launched) {
            slot(work.group).busy = false;
        }
        notifyAll();
        return next();
    }

    /** Takes what can be launched now: a message, or one collective of all local ranks. */
    private synchronized List<NcclWork> next() {
        for (Slot slot : slots) {
            NcclWork head = slot.queue.peek();
            if (!slot.busy && head != null && head.call.operation().isMessage()) {
                return take(List.of(slot));
            }
        }
        NcclWork first = null;
        for (Slot slot : slots) {
            NcclWork head = slot.queue.peek();
            if (slot.busy || head == null || !isSame(first, head)) {
                return List.of();
            }
            first = head;
        }
        return slots.size() == size ? take(slots) : List.of();
    }

    private static boolean isSame(@Nullable NcclWork first, NcclWork other) {
        return !other.call.operation().isMessage()
                && (first == null || first.call.equals(other.call));
    }

    private static List<NcclWork> take(List<Slot> from) {
        List<NcclWork> batch = new ArrayList<>();
        for (Slot slot : from) {
            batch.add(slot.queue.remove());
            slot.busy = true;
        }
        return batch;
    }

    /**
     * Forgets what a rank has not launched yet, and waits for a launch under way.
     *
     * @return false if that takes longer than the time given
     */
    synchronized boolean forget(NcclGroup rank, long millis) {
        Slot slot = slot(rank);
        slot.queue.clear();
        long end = System.nanoTime() + millis * 1_000_000;
        boolean interrupted = false;
        while (slot.busy) {
            long left = (end - System.nanoTime()) / 1_000_000;
            if (left <= 0) {
                break;
            }
            try {
                wait(left);
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        return !slot.busy;
    }

    /**
     * Takes a rank out. NCCL's communicators of one process belong together, so they are freed when
     * the last rank has gone.
     *
     * @return the ranks whose communicators are to be freed now
     */
    synchronized List<NcclGroup> release(NcclGroup rank) {
        slot(rank).released = true;
        if (slots.size() < size || !slots.stream().allMatch(slot -> slot.released)) {
            return List.of();
        }
        ALL.remove(key, this);
        return slots.stream().map(slot -> slot.rank).toList();
    }
}
