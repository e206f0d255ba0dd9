package org.yoloddp.nccl;

import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.CommunicatorClosedException;
import org.yoloddp.comm.FlightRecorder;
import org.yoloddp.comm.GroupContext;
import org.yoloddp.comm.HelperThread;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.comm.Store;
import org.yoloddp.rendezvous.TcpStore;

/**
 * One rank's world and the groups split from it: the line to the judge, and the watchdog, a thread
 * that looks after the calls of all groups and never waits for the device.
 */
final class NcclSession {

    private static final Logger LOG = LoggerFactory.getLogger(NcclSession.class);
    private static final long BUSY_NANOS = TimeUnit.MICROSECONDS.toNanos(300);
    private static final long IDLE_NANOS = TimeUnit.MILLISECONDS.toNanos(20);
    private static final Duration ENDING = Duration.ofSeconds(12);

    private record Progress(String phase, long step) {}

    final Duration deadline;

    /** The number of the rank's device. */
    final int device;

    /** What no other world has: ranks of one process know by it that they belong together. */
    final String nonce;

    private final NcclLibrary library;
    private final NcclOptions options;
    private final GroupContext context;
    private final boolean hostBuffers;
    private final Set<StreamWait> kept;
    private final Set<Integer> locals;
    private final @Nullable Judge judge;
    private final ControlLine line;
    private final FlightRecorder recorder;
    private final Map<String, NcclGroup> groups = new ConcurrentHashMap<>();
    private final Map<String, CommunicationException> early = new ConcurrentHashMap<>();
    private final HelperThread watchdog;
    private volatile @Nullable Progress progress;
    private volatile @Nullable CommunicationException decided;
    private volatile boolean lost;
    private boolean dumped;

    NcclSession(
            NcclLibrary library,
            NcclOptions options,
            GroupContext context,
            Store store,
            NcclMeeting.Result met,
            @Nullable Judge judge,
            boolean hostBuffers,
            Set<StreamWait> kept) {
        this.library = library;
        this.options = options;
        this.context = context;
        this.deadline = context.deadline();
        this.device = met.device();
        this.nonce = met.nonce();
        this.locals = met.locals();
        this.judge = judge;
        this.hostBuffers = hostBuffers;
        this.kept = kept;
        this.recorder = new FlightRecorder(context.rank());
        this.line = new ControlLine(store, context.rank(), this::accept, this::lose);
        this.watchdog = new HelperThread("yolo-ddp-nccl-watchdog-" + rank(), this::watch);
    }

    void start() {
        line.start();
        watchdog.start();
        if (context.store() instanceof TcpStore store && store.options().rank() == rank()) {
            store.failureChannel(deadline).onFailure(this::failOfJob);
        }
    }

    /**
     * The job has failed, which the failure channel tells to all ranks: so the judge, who may be
     * what is dead, need not be asked. NCCL itself may never notice.
     */
    private void failOfJob(CommunicationException cause) {
        decided = cause;
        groups.values().forEach(group -> group.failing.fail(cause));
    }

    Cuda cuda() {
        return library.cuda();
    }

    Nccl nccl() {
        return library.nccl();
    }

    boolean has(NcclFunction function) {
        return library.has(function);
    }

    NcclOptions options() {
        return options;
    }

    int rank() {
        return context.rank();
    }

    Store store() {
        return line.store();
    }

    /** Where the buffers of this rank live. */
    MemoryDevice memory() {
        return hostBuffers ? MemoryDevice.HOST : new MemoryDevice(NcclStream.CUDA, device);
    }

    boolean usesHostBuffers() {
        return hostBuffers;
    }

    boolean keeps(StreamWait wait) {
        return kept.contains(wait);
    }

    /** The number of ranks of a group that are threads of this process. */
    int locals(int[] world) {
        return (int) Arrays.stream(world).filter(locals::contains).count();
    }

    /** Enters a group, which may have failed before it was known here. */
    void add(NcclGroup group) {
        groups.put(group.id, group);
        CommunicationException failure = early.remove(group.id);
        CommunicationException job = decided;
        if (job != null) {
            group.failing.fail(job);
        } else if (failure != null) {
            group.failing.fail(failure);
        }
    }

    void remove(NcclGroup group) {
        groups.remove(group.id, group);
    }

    void progress(String phase, long step) {
        progress = new Progress(phase, step);
        recorder.progress(phase, step);
        groups.values().forEach(group -> group.queue.mark());
    }

    FlightRecorder recorder() {
        return recorder;
    }

    void post(Note note) {
        line.post(note);
    }

    void tell(Note note) {
        line.tell(note, deadline);
    }

    boolean hasLine() {
        return !lost;
    }

    void wake() {
        watchdog.wake();
    }

    /** What a group fails of if this rank gives a cause: the root cause if others know it. */
    CommunicationException asFailure(NcclGroup group, Throwable cause) {
        for (Throwable t = cause; t != null; t = t.getCause()) {
            if (t instanceof CommunicationException known
                    && !(t instanceof CommunicatorClosedException)
                    && !(t instanceof NcclException)) {
                return known;
            }
        }
        return rankFailed(group, cause);
    }

    RankFailedException rankFailed(NcclGroup group, Throwable cause) {
        Progress now = progress;
        String operation = group.queue.operation();
        return RankFailedException.of(
                group.name,
                rank(),
                context.hostId(),
                ProcessHandle.current().pid(),
                now == null ? -1 : now.step(),
                now == null ? operation : "in phase '" + now.phase() + "', " + operation,
                cause);
    }

    private void accept(Verdict verdict) {
        NcclGroup group = groups.get(verdict.group());
        if (group == null) {
            if (verdict instanceof Verdict.Failed failed) {
                early.put(verdict.group(), failed.failure());
                NcclGroup come = groups.get(verdict.group());
                if (come != null) {
                    come.failing.fail(failed.failure());
                }
            }
        } else if (verdict instanceof Verdict.Matched matched) {
            group.matched(matched.count());
        } else if (verdict instanceof Verdict.Failed failed) {
            group.failing.fail(failed.failure());
        } else if (verdict instanceof Verdict.Details) {
            group.queue.tellAgain();
        } else if (verdict instanceof Verdict.Drained) {
            group.ending.drained();
        }
    }

    /** Without the store nobody can agree with anybody. */
    private void lose(RuntimeException why) {
        lost = true;
        if (!watchdog.isFinishing()) {
            groups.values().forEach(group -> group.failing.fail(asFailure(group, why)));
        }
    }

    private void watch() {
        try {
            cuda().setDevice(device);
        } catch (CudaException e) {
            groups.values().forEach(group -> group.failing.accuse(e));
        }
        while (!watchdog.isFinishing()) {
            boolean busy = false;
            for (NcclGroup group : List.copyOf(groups.values())) {
                busy |= look(group);
            }
            LockSupport.parkNanos(this, busy ? BUSY_NANOS : IDLE_NANOS);
        }
    }

    private boolean look(NcclGroup group) {
        try {
            if (group.failing.hasFailed() && group.id.equals(Ledger.WORLD)) {
                dump();
            }
            boolean busy = group.watch();
            long ended = group.queue.endedToTell();
            if (ended >= 0) {
                post(new Note.Ended(group.id, ended));
            }
            return busy;
        } catch (RuntimeException e) {
            LOG.warn("rank {}: the watchdog of group '{}' stumbled", rank(), group.name, e);
            group.failing.accuse(e);
            return true;
        }
    }

    /** Tells once what this rank did last, when the world fails; to the launcher as well. */
    private void dump() {
        if (!dumped) {
            dumped = true;
            LOG.warn("The last collectives of {}", recorder.dump());
            recorder.save();
        }
    }

    /** Ends the watchdog and the line; the groups have left before. */
    void close() {
        watchdog.finish();
        watchdog.join(ENDING);
        if (judge != null && decided == null && locals.size() < context.size()) {
            // This process may end now, and the judge with it, whom others still need.
            judge.awaitEnd(ENDING);
        }
        line.close();
    }
}
