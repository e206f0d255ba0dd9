package org.yoloddp.launch;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.launch.ErrorFile.Content;

/** The workers of one node in one generation. Used by one thread, which also starts them. */
final class LocalWorkers {

    private static final Logger LOG = LoggerFactory.getLogger(LocalWorkers.class);

    private static final Duration OBSERVE_EVERY = Duration.ofSeconds(1);
    private static final long LAST_WORDS_MILLIS = 1000;

    private final Settings settings;
    private final JobState job;
    private final int groupRank;
    private final LaunchFiles files;
    private final List<Worker> workers = new ArrayList<>();
    private final List<Failure> failures = new ArrayList<>();
    private final List<WorkerFailure> left = new ArrayList<>();
    private long lastObserved;
    private boolean stopping;
    private boolean told;
    private boolean killed;
    private long stopNanos;
    private long killNanos;

    private record Failure(WorkerFailure failure, long nanos, ErrorFile.@Nullable Blame blame) {}

    private static final class Worker {
        final int localRank;
        final int rank;
        final WorkerProcess process;
        final WorkerOutput errors;
        final WorkerOutput output;
        boolean ended;

        Worker(
                int localRank,
                int rank,
                WorkerProcess process,
                WorkerOutput output,
                WorkerOutput errors) {
            this.localRank = localRank;
            this.rank = rank;
            this.process = process;
            this.output = output;
            this.errors = errors;
        }
    }

    LocalWorkers(Settings settings, JobState job, int groupRank, LaunchFiles files) {
        this.settings = settings;
        this.job = job;
        this.groupRank = groupRank;
        this.files = files;
    }

    /** Starts all; if one can't be started, none is left. */
    void start(WorkerProcess.Factory factory, WorkerEnvironment environment, long now) {
        int first = job.firstRank(groupRank);
        try {
            for (int i = 0; i < job.members().get(groupRank).processes(); i++) {
                start(i, first + i, factory, environment);
            }
        } catch (IOException e) {
            kill(now);
            throw LaunchException.notStarted(settings.command(), e);
        } catch (RuntimeException e) {
            kill(now);
            throw e;
        }
    }

    private void start(
            int localRank, int rank, WorkerProcess.Factory factory, WorkerEnvironment environment)
            throws IOException {
        Map<String, String> variables = environment.of(job, groupRank, localRank, files);
        WorkerProcess process =
                factory.start(settings.command(), variables, settings.watchesInput());
        WorkerOutput output = output(localRank, rank, process, 1);
        WorkerOutput errors = output(localRank, rank, process, 2);
        workers.add(new Worker(localRank, rank, process, output, errors));
        output.start("rank " + rank + " output");
        errors.start("rank " + rank + " errors");
        LOG.info(
                "rank {} of {}: process {}, generation {}",
                rank,
                job.worldSize(),
                process.pid(),
                job.generation());
    }

    private WorkerOutput output(int localRank, int rank, WorkerProcess process, int stream) {
        OutputStream console = stream == 1 ? settings.out() : settings.err();
        return new WorkerOutput(
                stream == 1 ? process.output() : process.errors(),
                job.worldSize() == 1 ? "" : "[rank " + rank + "] ",
                files.onConsole(localRank, stream) ? console : null,
                files.openLog(job, localRank, rank, stream));
    }

    /** Looks who has ended, and kills those who were told to stop and have not for too long. */
    void poll(long now) {
        boolean observe = now - lastObserved >= OBSERVE_EVERY.toNanos();
        if (observe) {
            lastObserved = now;
        }
        for (Worker worker : workers) {
            if (worker.ended) {
                continue;
            }
            OptionalInt code = worker.process.exitCode();
            if (code.isPresent()) {
                end(worker, code.getAsInt());
            } else if (observe) {
                worker.process.observe();
            }
        }
        if (stopping && !killed && now >= killNanos && !allEnded()) {
            LOG.warn("killing {}, which did not end when asked to", running());
            kill(now);
        }
        if (!told && allEnded()) {
            told = true;
            if (!allWell()) {
                tellWhoWasWhere();
            }
        }
    }

    /** Once all have ended, says what each was at when the job failed. */
    private void tellWhoWasWhere() {
        SortedMap<Integer, Path> left = new TreeMap<>();
        workers.forEach(w -> left.put(w.rank, files.flightFile(job.generation(), w.rank)));
        WhoWasWhere.merge(left)
                .ifPresent(
                        text -> {
                            LOG.warn("generation {}, {}", job.generation(), text);
                            files.writeWhoWasWhere(job, groupRank, text);
                        });
    }

    private void end(Worker worker, int code) {
        worker.ended = true;
        worker.process.kill(); // what it has started and left behind
        worker.output.await(LAST_WORDS_MILLIS);
        worker.errors.await(LAST_WORDS_MILLIS);
        long ended = worker.process.endedNanos();
        if (code == 0 || stopping && ended - stopNanos >= 0) {
            left.add(failure(worker, code, "", false));
            return;
        }
        Optional<Content> content = ErrorFile.read(files.errorFile(job.generation(), worker.rank));
        ErrorFile.Blame blame = content.map(Content::blame).orElse(null);
        String cause = content.map(Content::message).orElseGet(worker.errors::lastLine);
        WorkerFailure failure = failure(worker, code, cause, blame != null);
        LOG.info("{}", failure.describe());
        failures.add(new Failure(failure, ended, blame));
    }

    private WorkerFailure failure(Worker worker, int code, String cause, boolean consequence) {
        Path log = files.logFile(job, worker.localRank, worker.rank, 2);
        JobState.Member self = job.members().get(groupRank);
        return new WorkerFailure(
                worker.rank,
                worker.localRank,
                self.nodeRank(),
                self.host(),
                worker.process.pid(),
                code,
                cause,
                log == null ? null : log.toString(),
                consequence);
    }

    /** Asks all to end; those still there after that time are killed. Later calls do nothing. */
    void stop(StopSignal signal, Duration grace, long now) {
        if (stopping) {
            return;
        }
        stopping = true;
        stopNanos = now;
        killNanos = now + grace.toNanos();
        for (Worker worker : workers) {
            if (!worker.ended) {
                worker.process.signal(signal);
            }
        }
    }

    /** Ends all at once. */
    void kill(long now) {
        if (!stopping) {
            stopping = true;
            stopNanos = now;
        }
        if (killed) {
            return;
        }
        killed = true;
        for (Worker worker : workers) {
            if (!worker.ended) {
                worker.process.kill();
            }
        }
    }

    boolean isStopping() {
        return stopping;
    }

    boolean allEnded() {
        return workers.stream().allMatch(worker -> worker.ended);
    }

    /** Whether all have ended, and well. */
    boolean allWell() {
        return left.stream().filter(end -> end.exitCode() == 0).count() == workers.size();
    }

    /** Those that ended with exit code 0, or since they were asked to. */
    List<WorkerFailure> left() {
        return List.copyOf(left);
    }

    /** Those that failed by themselves, in order of time. */
    List<FailureNote> failures(long now) {
        return failures.stream()
                .map(
                        entry ->
                                new FailureNote(
                                        entry.failure,
                                        Duration.ofNanos(Math.max(0, now - entry.nanos)).toMillis(),
                                        entry.blame))
                .toList();
    }

    private List<Integer> running() {
        return workers.stream().filter(w -> !w.ended).map(w -> w.rank).toList();
    }
}
