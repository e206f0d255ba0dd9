package org.yoloddp.launch;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.CollectiveTimeoutException;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.launch.ErrorFile.Blame;
import org.yoloddp.launch.JobState.Member;

/**
 * The failures of one generation, by the clock of node 0, and which of them came first. What the
 * ranks were told by their channel counts only as long as no worker has ended by itself: those say
 * more.
 */
final class FailureLog {

    /** A failure and when it happened. */
    private record Entry(WorkerFailure failure, long nanos, @Nullable Blame blame) {}

    private final List<Entry> entries = new ArrayList<>();
    private final Set<Integer> ranks = new HashSet<>();
    private final Set<Integer> finished = new HashSet<>();
    private @Nullable CommunicationException decision;
    private long firstNoted;

    void clear() {
        decision = null;
        entries.clear();
        ranks.clear();
        finished.clear();
    }

    boolean isEmpty() {
        return entries.isEmpty() && decision == null;
    }

    /** Takes for the first time what the ranks were told that they failed of. */
    void decided(CommunicationException failure, long now) {
        if (decision == null) {
            decision = failure;
            if (entries.isEmpty()) {
                firstNoted = now;
            }
        }
    }

    /** Takes what a node tells for the first time. */
    void add(NodeState node, long now) {
        node.left().stream()
                .filter(end -> end.exitCode() == 0)
                .forEach(end -> finished.add(end.rank()));
        for (FailureNote note : node.failures()) {
            long happened = now - Duration.ofMillis(note.ageMillis()).toNanos();
            note(new Entry(note.failure(), happened, note.blame()), now);
        }
    }

    /** Notes a node that says nothing any more. */
    void addLost(Member member, JobState job, Duration silence) {
        int rank = job.firstRank(job.groupRank(member.agent()).orElse(0));
        note(
                new Entry(
                        new WorkerFailure(
                                rank,
                                0,
                                member.nodeRank(),
                                member.host(),
                                -1,
                                WorkerFailure.LOST,
                                "the launcher of node "
                                        + member.nodeRank()
                                        + " has not been heard of for "
                                        + silence.toSeconds()
                                        + " s",
                                null,
                                false),
                        Long.MIN_VALUE,
                        null),
                0);
    }

    private void note(Entry entry, long now) {
        if (ranks.add(entry.failure.rank())) {
            if (entries.isEmpty()) {
                firstNoted = now;
            }
            entries.add(entry);
        }
    }

    /** Whether a failure is known that is nobody else's fault. */
    boolean isDecided() {
        return entries.stream().anyMatch(entry -> entry.blame == null);
    }

    /** Whether failures are known, and every worker has ended, so that nothing more will be. */
    boolean isTold(int workers) {
        return !isEmpty() && ranks.size() + finished.size() >= workers;
    }

    /** Whether failures are known, and those who could say more have been silent for too long. */
    boolean isOverdue(long now, Duration patience) {
        return !isEmpty() && now - firstNoted >= patience.toNanos();
    }

    /** The node of the rank that is held responsible. */
    Optional<Member> blamed(JobState job) {
        Optional<Entry> culprit = culprit();
        return culprit.isPresent()
                ? job.memberOf(blame(culprit.get()).rank())
                : Optional.ofNullable(decision)
                        .filter(failure -> entries.isEmpty())
                        .flatMap(failure -> job.memberOf(blame(failure).rank()));
    }

    /** All failures in order of time, root cause first. */
    List<WorkerFailure> ordered(JobState job) {
        List<WorkerFailure> ordered = new ArrayList<>();
        if (entries.isEmpty() && decision != null) {
            String said =
                    "the job's store says: "
                            + decision.getClass().getSimpleName()
                            + ": "
                            + String.valueOf(decision.getMessage())
                                    .strip()
                                    .replaceAll("\\s*\\R\\s*", " ");
            stopped(blame(decision), said, job).ifPresent(ordered::add);
        }
        if (!isDecided()) {
            culprit().flatMap(entry -> unheard(entry, job)).ifPresent(ordered::add);
        }
        entries.stream()
                .sorted(
                        Comparator.<Entry, Boolean>comparing(entry -> entry.blame != null)
                                .thenComparing(Entry::nanos))
                .map(Entry::failure)
                .forEach(ordered::add);
        return List.copyOf(ordered);
    }

    /** The failure that names the rank where all began: the earliest, or whom that one leads to. */
    private Optional<Entry> culprit() {
        if (entries.isEmpty() || isDecided()) {
            return Optional.empty();
        }
        Entry found = entries.stream().min(Comparator.comparing(Entry::nanos)).orElseThrow();
        for (int i = 0; i < entries.size(); i++) {
            Optional<Entry> next = of(blame(found).rank());
            if (next.isEmpty()) {
                break;
            }
            found = next.get();
        }
        return Optional.of(found);
    }

    private Optional<Entry> of(int rank) {
        return entries.stream().filter(entry -> entry.failure.rank() == rank).findFirst();
    }

    private static Blame blame(Entry entry) {
        if (entry.blame == null) {
            throw new IllegalStateException("rank " + entry.failure.rank() + " blames nobody");
        }
        return entry.blame;
    }

    /** The rank that an entry names, if it has not told of a failure itself. */
    private Optional<WorkerFailure> unheard(Entry entry, JobState job) {
        if (of(blame(entry).rank()).isPresent()) {
            return Optional.empty(); // they blame each other
        }
        String said = "rank " + entry.failure.rank() + " says: " + entry.failure.cause();
        return stopped(blame(entry), said, job);
    }

    private Optional<WorkerFailure> stopped(Blame blame, String said, JobState job) {
        return job.memberOf(blame.rank())
                .map(
                        member ->
                                new WorkerFailure(
                                        blame.rank(),
                                        blame.rank()
                                                - job.firstRank(
                                                        job.groupRank(member.agent()).orElse(0)),
                                        member.nodeRank(),
                                        member.host(),
                                        blame.pid(),
                                        finished.contains(blame.rank()) ? 0 : WorkerFailure.STOPPED,
                                        said,
                                        null,
                                        false));
    }

    /** Whom a decision names; the first rank that is there still if it names none. */
    private Blame blame(CommunicationException failure) {
        if (failure instanceof RankFailedException named) {
            return new Blame(named.rank(), named.host(), named.pid());
        }
        if (failure instanceof CollectiveTimeoutException late && !late.missing().isEmpty()) {
            return new Blame(late.missing().get(0), "", -1);
        }
        int rank = 0;
        while (finished.contains(rank)) {
            rank++;
        }
        return new Blame(rank, "", -1);
    }
}
