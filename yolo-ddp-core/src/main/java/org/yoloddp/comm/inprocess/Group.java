package org.yoloddp.comm.inprocess;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.Call;
import org.yoloddp.comm.CollectiveMismatchException;
import org.yoloddp.comm.CollectiveTimeoutException;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.CommunicatorClosedException;
import org.yoloddp.comm.Fingerprint;
import org.yoloddp.comm.GroupContext;
import org.yoloddp.comm.HelperThread;
import org.yoloddp.comm.Operation;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.comm.Slice;

/**
 * What the ranks of one group share.
 *
 * <p>A submission puts its {@link Op} at the end of its rank's queue. An operation starts when it
 * has reached the head of the queue of each rank that takes part, and is cut into slices, which any
 * worker may claim: the executing thread of a rank, or a thread that waits for this operation or a
 * later one, which has nothing better to do. So ranks that wait do the work themselves without any
 * change of threads, a core that is busy elsewhere holds nobody up, and the slices being disjoint,
 * the bits are the same whoever does them. What is smaller than a change of threads costs is done
 * by the last rank to submit.
 *
 * <p>One lock guards all of it; no thread waits or works on data while it holds the lock. An
 * operation ends for all ranks in one assignment, so it cannot succeed on one and fail on another.
 * A failure first stops the claiming, and ends the operations only when the last running slice is
 * done: whoever sees the failure may free its buffers.
 */
final class Group {

    /** Below this many bytes over all ranks the last rank to come does the work. */
    private static final long SMALL = 64 << 10;

    final String name;
    final int[] worldRanks;
    final Family family;

    private final Object lock = new Object();
    private final List<ArrayDeque<Op>> queues = new ArrayList<>();
    private final Matcher calls;
    private final List<Op> running = new ArrayList<>();
    private final List<Group> children = new ArrayList<>();
    private final @Nullable HelperThread[] executors;
    private final @Nullable Fingerprint[] last;
    private final boolean[] left;
    private final boolean isWorld;
    private int active;
    private @Nullable CommunicationException failure;

    /** Slices that nobody has claimed; written under the lock, read by those who spin. */
    private volatile int unclaimed;

    Group(String name, int[] worldRanks, Family family) {
        this.name = name;
        this.worldRanks = worldRanks;
        this.family = family;
        int size = worldRanks.length;
        this.calls = new Matcher(name, size);
        this.executors = new HelperThread[size];
        this.last = new Fingerprint[size];
        this.left = new boolean[size];
        for (int i = 0; i < size; i++) {
            queues.add(new ArrayDeque<>());
        }
        this.isWorld = family.groups().isEmpty();
        family.groups().add(this);
    }

    int size() {
        return worldRanks.length;
    }

    /** Submits a rank's part of a collective; the sequence number of the call is put in here. */
    Op submit(int rank, Call call) {
        Op op;
        boolean work;
        synchronized (lock) {
            if (left[rank]) {
                throw CommunicatorClosedException.of(name, worldRanks[rank]);
            }
            op = calls.match(rank, call);
            last[rank] = op.call(rank);
            queues.get(rank).add(op);
            if (failure != null) {
                settle();
            } else if (op.isComplete()) {
                tryStart(op);
            } else {
                checkLeft(op);
            }
            work = unclaimed > 0;
        }
        if (work) {
            help(true);
        }
        return op;
    }

    private void tryStart(Op first) {
        ArrayDeque<Op> candidates = new ArrayDeque<>();
        candidates.add(first);
        while (!candidates.isEmpty() && failure == null) {
            Op op = candidates.poll();
            if (op.started || !op.isComplete() || !isNext(op)) {
                continue;
            }
            if (!op.isConsistent()) {
                Map<Integer, Fingerprint> calls = new HashMap<>();
                for (int rank : op.participants) {
                    calls.put(worldRanks[rank], op.call(rank));
                }
                long sequence = op.call(op.participants[0]).sequence();
                fail(CollectiveMismatchException.of(name, sequence, calls, List.of()));
                return;
            }
            op.started = true;
            op.slices = Slice.plan(op.call(op.participants[0]), op.participants);
            if (op.slices.isEmpty()) {
                end(op, candidates);
            } else {
                running.add(op);
                unclaimed = unclaimed + op.slices.size();
                if (!op.isSmall(SMALL)) {
                    wake(op);
                }
            }
        }
    }

    private boolean isNext(Op op) {
        for (int rank : op.participants) {
            Op head = queues.get(rank).peek();
            if (head != op) {
                checkCrossing(op, rank, head);
                return false;
            }
        }
        return true;
    }

    /** Two ranks that both have come to two operations, each to the other's second one first. */
    private void checkCrossing(Op op, int rank, @Nullable Op head) {
        if (head == null || head.started || !head.isComplete()) {
            return;
        }
        for (int other : op.participants) {
            if (other != rank && head.hasPart(other) && queues.get(other).peek() == op) {
                Map<Integer, Fingerprint> calls = new HashMap<>();
                calls.put(worldRanks[other], op.call(other));
                calls.put(worldRanks[rank], head.call(rank));
                fail(
                        CollectiveMismatchException.of(
                                name, op.call(other).sequence(), calls, List.of()));
                return;
            }
        }
    }

    /** Ends an operation well and adds those that may start now. */
    private void end(Op op, ArrayDeque<Op> candidates) {
        Fingerprint call = op.call(op.participants[0]);
        if (call.operation() == Operation.SPLIT) {
            int[] ranks =
                    call.counts().stream().mapToInt(r -> worldRanks[Math.toIntExact(r)]).toArray();
            op.child = new Group(call.tag(), ranks, family);
            children.add(op.child);
        }
        for (int rank : op.participants) {
            queues.get(rank).poll();
        }
        op.end(null);
        for (int rank : op.participants) {
            Op head = queues.get(rank).peek();
            if (head != null) {
                candidates.add(head);
            }
        }
    }

    /** Finds workers for a started operation: those who wait for it first, then executors. */
    private void wake(Op op) {
        int wanted =
                Math.min(
                        Math.min(op.slices.size(), op.participants.length),
                        Runtime.getRuntime().availableProcessors());
        for (int rank : op.participants) {
            for (Op queued : queues.get(rank)) {
                if (queued.hasWaiting()) {
                    queued.wake();
                    wanted--;
                    break;
                }
            }
        }
        for (int i = 0; i < op.participants.length && wanted > 0; i++, wanted--) {
            int rank = op.participants[i];
            HelperThread executor = executors[rank];
            if (executor == null && !left[rank]) {
                executors[rank] = Executor.start(this, rank);
            } else if (executor != null) {
                executor.wake();
            }
        }
    }

    boolean hasWork() {
        return unclaimed > 0;
    }

    /**
     * Does slices until there are none.
     *
     * @param onlySmall whether to leave everything else to others
     * @return whether there was something to do
     */
    boolean help(boolean onlySmall) {
        boolean helped = false;
        while (unclaimed > 0) {
            Op op = null;
            Slice slice = null;
            synchronized (lock) {
                for (Op candidate : running) {
                    if (failure == null
                            && candidate.claimed < candidate.slices.size()
                            && (!onlySmall || candidate.isSmall(SMALL))) {
                        op = candidate;
                        slice = op.slices.get(op.claimed++);
                        unclaimed = unclaimed - 1;
                        active++;
                        break;
                    }
                }
            }
            if (op == null || slice == null) {
                return helped;
            }
            helped = true;
            perform(op, slice);
        }
        return helped;
    }

    private void perform(Op op, Slice slice) {
        Throwable problem = null;
        try {
            slice.execute(op.call(op.participants[0]), op.participants, op::buffer);
        } catch (RuntimeException | Error e) {
            problem = e;
        }
        synchronized (lock) {
            active--;
            op.finished++;
            if (problem != null) {
                fail(rankFailed(op.participants[0], problem));
            } else if (failure != null) {
                settle();
            } else if (op.finished == op.slices.size()) {
                running.remove(op);
                ArrayDeque<Op> candidates = new ArrayDeque<>();
                end(op, candidates);
                for (Op candidate : candidates) {
                    tryStart(candidate);
                }
            }
        }
    }

    /** Takes a failure, unless there was one before. Called with the lock held. */
    private void fail(CommunicationException cause) {
        if (failure == null) {
            failure = cause;
            unclaimed = 0;
            if (isWorld) {
                family.store.fail(cause);
            }
            for (Group child : children) {
                child.failAll(cause);
            }
        }
        settle();
    }

    /** Ends everything that is pending once no slice is running any more. */
    private void settle() {
        if (failure == null || active > 0) {
            return;
        }
        running.clear();
        calls.clear();
        for (ArrayDeque<Op> queue : queues) {
            for (Op op = queue.poll(); op != null; op = queue.poll()) {
                if (!op.isDone()) {
                    op.end(failure);
                }
            }
        }
    }

    void failAll(CommunicationException cause) {
        synchronized (lock) {
            fail(cause);
        }
    }

    void abort(int rank, Throwable cause) {
        for (Throwable t = cause; t != null; t = t.getCause()) {
            if (t instanceof CommunicationException known
                    && !(t instanceof CommunicatorClosedException)) {
                failAll(known);
                return;
            }
        }
        synchronized (lock) {
            fail(rankFailed(rank, cause));
        }
    }

    private CommunicationException rankFailed(int rank, Throwable cause) {
        Family.Progress progress = family.progress(worldRanks[rank]);
        Op head = queues.get(rank).peek();
        Fingerprint latest = last[rank];
        String operation;
        if (head != null && !head.isDone()) {
            operation = "during " + head.call(rank).describe();
        } else {
            operation =
                    latest == null ? "before its first collective" : "after " + latest.describe();
        }
        if (progress != null) {
            operation = "in phase '" + progress.phase() + "', " + operation;
        }
        return RankFailedException.of(
                name,
                worldRanks[rank],
                GroupContext.localHostId(),
                ProcessHandle.current().pid(),
                progress == null ? -1 : progress.step(),
                operation,
                cause);
    }

    private void checkLeft(Op op) {
        for (int rank : op.participants) {
            if (left[rank] && op.calls[rank] == null) {
                fail(rankFailed(rank, CommunicatorClosedException.of(name, worldRanks[rank])));
                return;
            }
        }
    }

    /** Finds the last operation of a rank that will end without anybody else's help. */
    @Nullable Op lastComplete(int rank) {
        synchronized (lock) {
            Op found = null;
            for (Op op : queues.get(rank)) {
                if (!op.isComplete()) {
                    break;
                }
                found = op;
            }
            return found;
        }
    }

    boolean hasLeft(int rank) {
        synchronized (lock) {
            return left[rank];
        }
    }

    /** Marks a rank as gone; whoever waits for it fails. */
    @Nullable HelperThread leave(int rank) {
        synchronized (lock) {
            left[rank] = true;
            boolean missed = !queues.get(rank).isEmpty();
            for (ArrayDeque<Op> queue : queues) {
                for (Op op : queue) {
                    missed |= op.hasPart(rank) && op.calls[rank] == null;
                }
            }
            if (missed && failure == null) {
                fail(rankFailed(rank, CommunicatorClosedException.of(name, worldRanks[rank])));
            }
            boolean empty = true;
            for (boolean gone : left) {
                empty &= gone;
            }
            if (empty) {
                family.groups().remove(this);
            }
            HelperThread executor = executors[rank];
            if (executor != null) {
                executor.finish();
            }
            return executor;
        }
    }

    /**
     * Fails the group because a rank has waited too long, and with it the groups in which the ranks
     * that did not come wait for those that did. One at a time, so that all fail with one message.
     */
    void timeOut(int rank, Op op, Duration waited) {
        synchronized (family) {
            List<Integer> present;
            synchronized (lock) {
                Op head = queues.get(rank).peek();
                present = world((head == null ? op : head).ranks(true));
            }
            Map<Integer, Fingerprint> elsewhere = new HashMap<>();
            List<Group> others = new ArrayList<>();
            for (Group other : family.groups()) {
                if (other != this && other.addWaitingFor(present, elsewhere)) {
                    others.add(other);
                }
            }
            CommunicationException problem;
            synchronized (lock) {
                Op head = queues.get(rank).peek();
                if (op.isDone() || failure != null || head == null) {
                    return;
                }
                problem = lateFailure(head, rank, waited, elsewhere);
                fail(problem);
            }
            if (problem instanceof CollectiveMismatchException) {
                others.forEach(other -> other.failAll(problem));
            }
        }
    }

    /** Adds what ranks ask for in this group and can't get, because one of the given is missing. */
    private boolean addWaitingFor(List<Integer> missing, Map<Integer, Fingerprint> calls) {
        boolean found = false;
        synchronized (lock) {
            for (int rank = 0; rank < size(); rank++) {
                Op head = queues.get(rank).peek();
                if (head != null && world(head.ranks(false)).stream().anyMatch(missing::contains)) {
                    calls.put(worldRanks[rank], head.call(rank));
                    found = true;
                }
            }
        }
        return found;
    }

    private CommunicationException lateFailure(
            Op head, int rank, Duration waited, Map<Integer, Fingerprint> elsewhere) {
        Map<Integer, Fingerprint> calls = new HashMap<>();
        for (int r : head.ranks(true)) {
            calls.put(worldRanks[r], head.call(r));
        }
        Fingerprint call = head.call(rank);
        boolean differ = !calls.values().stream().allMatch(call::equals) && !head.isComplete();
        List<Integer> silent = new ArrayList<>();
        for (int r : head.ranks(false)) {
            Op theirs = queues.get(r).peek();
            Fingerprint other =
                    theirs != null && theirs.hasPart(rank)
                            ? theirs.call(r)
                            : elsewhere.get(worldRanks[r]);
            if (other == null) {
                silent.add(worldRanks[r]);
            } else {
                calls.put(worldRanks[r], other);
                differ = true;
            }
        }
        return differ
                ? CollectiveMismatchException.of(name, call.sequence(), calls, silent)
                : CollectiveTimeoutException.of(
                        call, waited, world(head.ranks(false)), world(head.ranks(true)));
    }

    private List<Integer> world(List<Integer> ranks) {
        return ranks.stream().map(r -> worldRanks[r]).toList();
    }
}
