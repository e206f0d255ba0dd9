package org.yoloddp.examples;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.nio.FloatBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.CommunicatorProviders;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.GroupContext;
import org.yoloddp.comm.HostBuffer;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.comm.ReduceOp;
import org.yoloddp.launch.ClusterEnvironments;
import org.yoloddp.launch.Launcher;
import org.yoloddp.launch.ProcessPlace;
import org.yoloddp.rendezvous.FailureChannel;
import org.yoloddp.rendezvous.Heartbeats;
import org.yoloddp.rendezvous.JobToken;
import org.yoloddp.rendezvous.Rendezvous;
import org.yoloddp.rendezvous.StoreOptions;
import org.yoloddp.rendezvous.TcpStore;
import org.yoloddp.rendezvous.TlsOptions;

/**
 * A rank of a toy job: in each step the ranks sum a small vector in shared memory and a larger one
 * in ordinary memory, verify every element, and rank 0 saves the step. A job that starts again goes
 * on where that file says.
 *
 * <p>Ranks leave notes in the job's folder: {@code fault.*} when one strikes, {@code noticed.*}
 * what each has failed of, {@code done.*} who has ended well.
 */
final class FaultyRank {

    private static final Duration DEADLINE = Duration.ofMinutes(2);
    private static final Duration STALL = Duration.ofSeconds(2);
    private static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(10);

    /** Whether this process ends of its own accord. */
    private static final AtomicBoolean ENDING = new AtomicBoolean();

    private static final int SMALL = 250;
    private static final int LARGE = 20_000;

    /**
     * The job.
     *
     * @param folder where the state and notes are
     * @param steps how many steps it has
     * @param paceMillis how long a step takes at least
     * @param hosts on how many hosts the ranks seem to be
     * @param faults what befalls them
     */
    record Job(Path folder, long steps, long paceMillis, int hosts, List<PlannedFault> faults) {}

    private final Job job;
    private final ProcessPlace place;
    private final Map<String, String> environment;
    private final Optional<PlannedFault> fault;
    private @Nullable Relay relay;
    private boolean struck;

    FaultyRank(Job job, Map<String, String> environment) {
        this.job = job;
        this.environment = environment;
        this.place = ClusterEnvironments.find(environment).place().orElseThrow();
        int restart = Integer.parseInt(environment.getOrDefault("TORCHELASTIC_RESTART_COUNT", "0"));
        this.fault =
                job.faults().stream()
                        .filter(planned -> planned.rank() == place.rank())
                        .filter(planned -> planned.restart() == restart)
                        .findFirst();
    }

    /** Takes part until the last step, or until this or another rank fails. */
    void run() throws IOException {
        Path own = job.folder().resolve("rank." + place.rank());
        try (FileChannel file =
                        FileChannel.open(own, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                FileLock lock = file.tryLock()) {
            if (lock == null) {
                throw new IllegalStateException(
                        "the former process of rank " + place.rank() + " is still there");
            }
            takePart();
        } catch (RuntimeException | Error e) {
            noteFailure(e);
            throw e;
        } finally {
            ENDING.set(true);
        }
        note("done." + place.generation() + "." + place.rank(), "well");
    }

    private void takePart() throws IOException {
        String[] parts = environment.getOrDefault(Launcher.STORE_VARIABLE, "").split(":", -1);
        InetSocketAddress address = new InetSocketAddress(parts[0], Integer.parseInt(parts[1]));
        if (fault.filter(planned -> planned.fault().isOfConnections()).isPresent()) {
            Relay between = new Relay(address);
            relay = between;
            address = between.address();
        }
        StoreOptions options =
                StoreOptions.defaults()
                        .withJob(place.job())
                        .withGeneration(place.generation())
                        .withRank(place.rank())
                        .withHeartbeats(heartbeats())
                        .withTls(TlsOptions.fromEnvironment(environment));
        JobToken token = JobToken.fromEnvironment(environment).orElse(JobToken.none());
        try (TcpStore store = TcpStore.connect(address, token, options, DEADLINE)) {
            FailureChannel channel = store.failureChannel(DEADLINE);
            channel.progress("preparing", -1);
            try (Communicator ranks = connect(store, channel)) {
                try {
                    step(ranks);
                } catch (RuntimeException | Error e) {
                    ranks.abort(e);
                    throw e;
                }
            } catch (RuntimeException | Error e) {
                channel.report(e);
                throw e;
            }
        }
    }

    /** Only who waits for an endless loop is impatient. */
    private Heartbeats heartbeats() {
        boolean loops = job.faults().stream().anyMatch(planned -> planned.fault() == Fault.LOOP);
        return loops ? Heartbeats.defaults().withStallTimeout(STALL) : Heartbeats.defaults();
    }

    private Communicator connect(TcpStore store, FailureChannel channel) {
        Rendezvous.join(store, place.rank(), place.worldSize(), Map.of(), DEADLINE);
        GroupContext context =
                new GroupContext(
                        place.rank(),
                        place.worldSize(),
                        place.localRank(),
                        "host-" + place.rank() * job.hosts() / place.worldSize(),
                        MemoryDevice.HOST,
                        store,
                        DEADLINE);
        return channel.watch(CommunicatorProviders.get("tcp").connect(context), store);
    }

    private void step(Communicator ranks) throws IOException {
        Path saved = job.folder().resolve("state");
        try (CommBuffer small = ranks.allocate(DType.F32, SMALL);
                CommBuffer large = HostBuffer.allocate(DType.F32, LARGE)) {
            ToyState state = agree(ranks, saved);
            while (state.step() < job.steps()) {
                ranks.progress("training", state.step());
                LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(job.paceMillis()));
                strikeBefore(state.step());
                float first = reduce(ranks, small, state.step());
                reduce(ranks, large, state.step());
                state = state.next(first);
                if (place.rank() == 0) {
                    state.save(saved);
                }
            }
            ranks.barrier("end").await(DEADLINE);
        }
    }

    /** Lets all ranks begin where rank 0's file says. */
    private ToyState agree(Communicator ranks, Path saved) throws IOException {
        ToyState mine = ToyState.load(saved);
        try (CommBuffer numbers = ranks.allocate(DType.I64, 2)) {
            numbers.bytes().asLongBuffer().put(0, mine.step()).put(1, mine.digest());
            ranks.broadcast(numbers, 0, ComputeStream.HOST, "state").await(DEADLINE);
            return new ToyState(
                    numbers.bytes().asLongBuffer().get(0), numbers.bytes().asLongBuffer().get(1));
        }
    }

    private float reduce(Communicator ranks, CommBuffer buffer, long step) {
        FloatBuffer floats = buffer.bytes().asFloatBuffer();
        for (int i = 0; i < floats.capacity(); i++) {
            floats.put(i, ToyState.value(step, i, place.rank()));
        }
        ranks.allReduce(buffer, ReduceOp.SUM, ComputeStream.HOST, "toy").await(DEADLINE);
        for (int i = 0; i < floats.capacity(); i++) {
            float expected = ToyState.sum(step, i, place.worldSize());
            if (floats.get(i) != expected) {
                throw new IllegalStateException(
                        "element "
                                + i
                                + " of step "
                                + step
                                + " is "
                                + floats.get(i)
                                + ", not "
                                + expected);
            }
        }
        return floats.get(0);
    }

    /** Once a process; a job that begins behind the step is struck at once. */
    private void strikeBefore(long step) {
        if (fault.filter(planned -> planned.step() <= step).isEmpty() || struck) {
            return;
        }
        struck = true;
        Fault kind = fault.orElseThrow().fault();
        note(
                "fault." + place.generation() + "." + place.rank(),
                kind.name() + " " + ProcessHandle.current().pid());
        ENDING.set(kind == Fault.EXIT);
        kind.strike(relay);
    }

    /**
     * Lets this process take no notice of SIGTERM while it takes part, as one whose end waits for a
     * step that is long in native code. An end of its own accord is not held up.
     */
    static void resistOrderlyEnds() {
        Thread patient =
                new Thread(
                        () -> {
                            long end = System.nanoTime() + DEADLINE.toNanos();
                            while (!ENDING.get() && System.nanoTime() - end < 0) {
                                LockSupport.parkNanos(LOOK_NANOS);
                            }
                        },
                        "long step");
        Runtime.getRuntime().addShutdownHook(patient);
    }

    private void noteFailure(Throwable failure) {
        String culprit =
                failure instanceof RankFailedException other
                        ? " " + other.rank() + " " + other.pid()
                        : "";
        note(
                "noticed." + place.generation() + "." + place.rank(),
                failure.getClass().getSimpleName() + culprit);
    }

    /** Leaves a word with the time, in microseconds. */
    private void note(String name, String text) {
        long micros = ChronoUnit.MICROS.between(Instant.EPOCH, Instant.now());
        try {
            Files.writeString(
                    job.folder().resolve(name), micros + " " + text, StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
