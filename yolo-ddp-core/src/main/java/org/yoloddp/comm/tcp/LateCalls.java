package org.yoloddp.comm.tcp;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.CollectiveMismatchException;
import org.yoloddp.comm.CollectiveTimeoutException;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.CommunicatorClosedException;
import org.yoloddp.comm.Fingerprint;
import org.yoloddp.comm.Operation;

/** Looks through the calls on a board to find out why an operation does not start. */
final class LateCalls {

    private final SharedGroup group;
    private final Board board;

    /** What ranks of other hosts have answered, by rank of the group. */
    private final Map<Integer, Answer> answers = new HashMap<>();

    LateCalls(SharedGroup group) {
        this.group = group;
        this.board = group.board;
    }

    /** Asks the ranks of other hosts where they are. */
    LateCalls ask() {
        Bulletin bulletin = group.session.bulletin();
        List<Integer> others =
                IntStream.range(0, group.size()).filter(r -> !group.isHere(r)).boxed().toList();
        if (bulletin != null && !others.isEmpty()) {
            Map<Integer, Answer> byWorld = bulletin.ask(group.id, group.world(others));
            others.stream()
                    .filter(r -> byWorld.containsKey(group.worldRanks[r]))
                    .forEach(r -> answers.put(r, byWorld.get(group.worldRanks[r])));
        }
        return this;
    }

    Fingerprint call(int rank, long index) {
        return Codec.fingerprint(group.name, board.call(board.slot(rank, index)));
    }

    /** Finds a rank's part of an operation, the latest ones included; -1 if it has not come. */
    private long find(Entry entry, int rank) {
        if (rank == group.rank) {
            return entry.index;
        }
        if (!group.isHere(rank)) {
            Answer answer = answers.get(rank);
            return answer != null && hasCome(answer, entry) ? 0 : -1;
        }
        long tail = board.tail(rank);
        for (long i = Math.max(0, tail - Board.RING); i < tail; i++) {
            if (group.worker.belongs(entry, rank, board.slot(rank, i))) {
                return i;
            }
        }
        return -1;
    }

    private boolean hasCome(Answer answer, Entry entry) {
        Fingerprint head = answer.head();
        return entry.isMessage()
                ? head != null
                        && head.operation().isMessage()
                        && head.operation() != entry.call.operation()
                        && head.peer() == group.rank
                        && head.sequence() == entry.call.sequence()
                : answer.collectives() > entry.call.sequence();
    }

    /** Returns what a rank that has come asked for. */
    private Fingerprint asked(Entry entry, int rank) {
        if (rank == group.rank) {
            return entry.call;
        }
        if (group.isHere(rank)) {
            return call(rank, find(entry, rank));
        }
        Answer answer = answers.get(rank);
        Fingerprint head = answer == null ? null : answer.head();
        boolean same =
                head != null
                        && head.sequence() == entry.call.sequence()
                        && head.operation().isMessage() == entry.isMessage();
        return same ? head : entry.call;
    }

    List<Integer> missing(Entry entry) {
        List<Integer> missing = new ArrayList<>();
        for (int rank : entry.participants) {
            if (find(entry, rank) < 0) {
                missing.add(rank);
            }
        }
        return missing;
    }

    private List<Integer> present(Entry entry) {
        List<Integer> present = new ArrayList<>();
        List<Integer> missing = missing(entry);
        for (int rank : entry.participants) {
            if (!missing.contains(rank)) {
                present.add(rank);
            }
        }
        return present;
    }

    /** Tells whether a call of one rank is one in which another takes part. */
    private boolean concerns(int slot, int caller, int rank) {
        Operation operation = board.operation(slot);
        return !operation.isMessage() || caller == rank || board.peer(slot) == rank;
    }

    /** Fails the group if a rank that the call needs has left without it. */
    void checkLeft(Entry entry) {
        for (int rank : entry.locals) {
            if (board.hasLeft(rank)
                    && !entry.isDone()
                    && board.head(group.rank) <= entry.index
                    && find(entry, rank) < 0) {
                group.fail(left(rank));
                return;
            }
        }
    }

    private CommunicationException left(int rank) {
        return group.rankFailed(
                rank, CommunicatorClosedException.of(group.name, group.worldRanks[rank]));
    }

    /** Tells whether others have submitted what a rank has not. */
    boolean isExpected(int rank) {
        for (int other : group.locals()) {
            if (other == rank) {
                continue;
            }
            for (long i = board.head(other); i < board.tail(other); i++) {
                int slot = board.slot(other, i);
                if (concerns(slot, other, rank) && !hasCome(rank, other, slot)) {
                    return true;
                }
            }
        }
        return false;
    }

    private boolean hasCome(int rank, int other, int slot) {
        Operation operation = board.operation(slot);
        long sequence = board.sequence(slot);
        long tail = board.tail(rank);
        for (long i = Math.max(0, tail - Board.RING); i < tail; i++) {
            int mine = board.slot(rank, i);
            Operation theirs = board.operation(mine);
            boolean same =
                    operation.isMessage()
                            ? theirs.isMessage() && theirs != operation && board.peer(mine) == other
                            : !theirs.isMessage();
            if (same && board.sequence(mine) == sequence) {
                return true;
            }
        }
        return false;
    }

    /** Two ranks that both have come to two operations, each to the other's second one first. */
    void checkCrossing(Entry entry, int rank, long head) {
        int slot = board.slot(rank, head);
        if (rank == group.rank
                || !concerns(slot, rank, group.rank)
                || find(entry, rank) <= head
                || !hasCome(group.rank, rank, slot)) {
            return;
        }
        Map<Integer, Fingerprint> calls = new HashMap<>();
        calls.put(group.worldRanks[group.rank], entry.call);
        calls.put(group.worldRanks[rank], call(rank, head));
        if (board.areAt(group.rank, entry.index, rank, head)) {
            group.fail(
                    CollectiveMismatchException.of(
                            group.name, entry.call.sequence(), calls, List.of()));
        }
    }

    CommunicationException mismatch(Entry entry, long[] heads) {
        Map<Integer, Fingerprint> calls = new HashMap<>();
        for (int rank : entry.participants) {
            calls.put(group.worldRanks[rank], call(rank, heads[rank]));
        }
        return CollectiveMismatchException.of(group.name, entry.call.sequence(), calls, List.of());
    }

    /** Finds out what the ranks of several hosts asked for, after one has seen that they differ. */
    CommunicationException wideMismatch(Entry entry, Passage.MismatchException seen) {
        ask();
        Map<Integer, Fingerprint> calls = new HashMap<>();
        List<Integer> silent = new ArrayList<>();
        for (int rank : entry.participants) {
            int world = group.worldRanks[rank];
            if (world == seen.peer && seen.call.length > 0) {
                calls.put(world, Codec.fingerprint(group.name, seen.call));
            } else if (find(entry, rank) >= 0) {
                calls.put(world, asked(entry, rank));
            } else {
                Fingerprint other = waitingWith(rank);
                if (other == null) {
                    silent.add(world);
                } else {
                    calls.put(world, other);
                }
            }
        }
        return CollectiveMismatchException.of(group.name, entry.call.sequence(), calls, silent);
    }

    /** Fails the group, and those in which the ranks that did not come wait for those that did. */
    void fail(Duration waited) {
        Entry head = group.head();
        if (head == null) {
            return;
        }
        ask();
        List<Integer> present = group.world(present(head));
        Map<Integer, Fingerprint> elsewhere = new HashMap<>();
        List<SharedGroup> others = new ArrayList<>();
        for (SharedGroup other : group.session.groups()) {
            if (other != group && new LateCalls(other).addWaitingFor(present, elsewhere)) {
                others.add(other);
            }
        }
        answers.forEach(
                (rank, answer) -> {
                    for (Fingerprint call : answer.elsewhere()) {
                        for (SharedGroup other : group.session.groups()) {
                            if (other != group && other.isAwaitedFor(call)) {
                                elsewhere.put(group.worldRanks[rank], call);
                                others.add(other);
                            }
                        }
                    }
                });
        CommunicationException problem = problem(head, waited, elsewhere);
        group.fail(problem);
        if (problem instanceof CollectiveMismatchException) {
            others.forEach(other -> other.fail(problem));
        }
    }

    /** Adds what ranks ask for in this group and can't get, because one of the given is missing. */
    private boolean addWaitingFor(List<Integer> given, Map<Integer, Fingerprint> calls) {
        boolean found = false;
        for (int rank : group.locals()) {
            long head = board.head(rank);
            if (board.tail(rank) <= head) {
                continue;
            }
            int slot = board.slot(rank, head);
            for (int other : group.locals()) {
                if (other != rank
                        && given.contains(group.worldRanks[other])
                        && concerns(slot, rank, other)
                        && !hasCome(other, rank, slot)) {
                    calls.put(group.worldRanks[rank], call(rank, head));
                    found = true;
                    break;
                }
            }
        }
        return found;
    }

    private CommunicationException problem(
            Entry head, Duration waited, Map<Integer, Fingerprint> elsewhere) {
        List<Integer> missing = missing(head);
        Map<Integer, Fingerprint> calls = new HashMap<>();
        for (int rank : present(head)) {
            calls.put(group.worldRanks[rank], asked(head, rank));
        }
        boolean differ = !missing.isEmpty() && !calls.values().stream().allMatch(head.call::equals);
        List<Integer> silent = new ArrayList<>();
        for (int rank : missing) {
            Fingerprint other = waitingWith(rank);
            if (other == null) {
                other = elsewhere.get(group.worldRanks[rank]);
            }
            if (other == null) {
                silent.add(group.worldRanks[rank]);
            } else {
                calls.put(group.worldRanks[rank], other);
                differ = true;
            }
        }
        return differ
                ? CollectiveMismatchException.of(group.name, head.call.sequence(), calls, silent)
                : CollectiveTimeoutException.of(
                        head.call, waited, group.world(missing), group.world(present(head)));
    }

    /** Returns what a rank asks for in this group that needs this rank, or null. */
    private @Nullable Fingerprint waitingWith(int rank) {
        if (!group.isHere(rank)) {
            Answer answer = answers.get(rank);
            Fingerprint head = answer == null ? null : answer.head();
            return head != null && (!head.operation().isMessage() || head.peer() == group.rank)
                    ? head
                    : null;
        }
        long head = board.head(rank);
        return board.tail(rank) > head && concerns(board.slot(rank, head), rank, group.rank)
                ? call(rank, head)
                : null;
    }
}
