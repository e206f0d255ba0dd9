package org.yoloddp.comm.testing;

import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.CollectiveTimeoutException;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.Fingerprint;
import org.yoloddp.comm.HostBuffer;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.comm.Operation;
import org.yoloddp.comm.ReduceOp;
import org.yoloddp.comm.Work;

/**
 * A communicator without other ranks, for unit tests: it records what is asked for and answers from
 * a script, by tag. What the script does not name succeeds at once and leaves the buffer as it is.
 *
 * <pre>{@code
 * ScriptedCommunicator communicator =
 *         ScriptedCommunicator.of(0, 2)
 *                 .answer("gradients", buffer -> buffer.bytes().putFloat(0, 0.5f))
 *                 .fail("state", new IllegalStateException("cable pulled"))
 *                 .stall("barrier");
 * new MyTrainingStep(communicator).run();
 * assertEquals("gradients", communicator.calls().get(0).tag());
 * }</pre>
 */
public final class ScriptedCommunicator implements Communicator {

    private final int rank;
    private final int size;
    private final String group;
    private final Duration deadline = Duration.ofMinutes(1);
    private final Map<String, Consumer<CommBuffer>> answers = new HashMap<>();
    private final Map<String, RuntimeException> failures = new HashMap<>();
    private final List<String> stalls = new CopyOnWriteArrayList<>();
    private final List<Fingerprint> calls = new CopyOnWriteArrayList<>();
    private final List<CommBuffer> allocated = new CopyOnWriteArrayList<>();
    private volatile @Nullable Throwable aborted;
    private volatile boolean closed;

    private ScriptedCommunicator(int rank, int size, String group) {
        this.rank = rank;
        this.size = size;
        this.group = group;
    }

    /**
     * Creates a communicator without a script.
     *
     * @param rank the rank it pretends to be
     * @param size the number of ranks it pretends there are
     * @return the communicator
     */
    public static ScriptedCommunicator of(int rank, int size) {
        return new ScriptedCommunicator(rank, size, "world");
    }

    /**
     * Answers the collectives of a tag.
     *
     * @param tag the tag
     * @param answer writes into the buffer what the other ranks make of it
     * @return this
     */
    public ScriptedCommunicator answer(String tag, Consumer<CommBuffer> answer) {
        answers.put(tag, answer);
        return this;
    }

    /**
     * Fails the collectives of a tag.
     *
     * @param tag the tag
     * @param failure what awaiting them throws
     * @return this
     */
    public ScriptedCommunicator fail(String tag, RuntimeException failure) {
        failures.put(tag, failure);
        return this;
    }

    /**
     * Never ends the collectives of a tag: awaiting them throws a {@link
     * CollectiveTimeoutException} at once, without waiting.
     *
     * @param tag the tag
     * @return this
     */
    public ScriptedCommunicator stall(String tag) {
        stalls.add(tag);
        return this;
    }

    /**
     * Returns what was asked for.
     *
     * @return the calls in order of submission
     */
    public List<Fingerprint> calls() {
        return List.copyOf(calls);
    }

    /**
     * Returns why the communicator was aborted.
     *
     * @return the first cause, empty if it was not
     */
    public Optional<Throwable> aborted() {
        return Optional.ofNullable(aborted);
    }

    /**
     * Tells whether the communicator was closed.
     *
     * @return true after {@link #close}
     */
    public boolean isClosed() {
        return closed;
    }

    @Override
    public int rank() {
        return rank;
    }

    @Override
    public int size() {
        return size;
    }

    @Override
    public String group() {
        return group;
    }

    @Override
    public Duration deadline() {
        return deadline;
    }

    @Override
    public CommBuffer allocate(DType dtype, long count) {
        CommBuffer buffer = HostBuffer.allocate(dtype, count);
        allocated.add(buffer);
        return buffer;
    }

    @Override
    public CommBuffer wrap(
            long address, DType dtype, long count, MemoryDevice device, Object owner) {
        return HostBuffer.wrap(address, dtype, count, owner);
    }

    @Override
    public Work allReduce(CommBuffer buffer, ReduceOp op, ComputeStream producer, String tag) {
        return record(Operation.ALL_REDUCE, buffer, op, -1, new long[0], tag);
    }

    @Override
    public Work broadcast(CommBuffer buffer, int root, ComputeStream producer, String tag) {
        return record(Operation.BROADCAST, buffer, null, root, new long[0], tag);
    }

    @Override
    public Work reduceScatter(
            CommBuffer buffer, long[] counts, ReduceOp op, ComputeStream producer, String tag) {
        return record(Operation.REDUCE_SCATTER, buffer, op, -1, counts, tag);
    }

    @Override
    public Work allGather(CommBuffer buffer, long[] counts, ComputeStream producer, String tag) {
        return record(Operation.ALL_GATHER, buffer, null, -1, counts, tag);
    }

    @Override
    public Work send(CommBuffer buffer, int destination, ComputeStream producer, String tag) {
        return record(Operation.SEND, buffer, null, destination, new long[0], tag);
    }

    @Override
    public Work recv(CommBuffer buffer, int source, ComputeStream producer, String tag) {
        return record(Operation.RECV, buffer, null, source, new long[0], tag);
    }

    @Override
    public Work barrier(String tag) {
        return record(Operation.BARRIER, null, null, -1, new long[0], tag);
    }

    @Override
    public Optional<Communicator> split(String name, int... ranks) {
        record(Operation.SPLIT, null, null, -1, Arrays.stream(ranks).asLongStream().toArray(), name)
                .await(deadline);
        int mine =
                IntStream.range(0, ranks.length)
                        .filter(i -> ranks[i] == rank)
                        .findFirst()
                        .orElse(-1);
        if (mine < 0) {
            return Optional.empty();
        }
        ScriptedCommunicator child = new ScriptedCommunicator(mine, ranks.length, name);
        child.answers.putAll(answers);
        child.failures.putAll(failures);
        child.stalls.addAll(stalls);
        return Optional.of(child);
    }

    @Override
    public void progress(String phase, long step) {}

    @Override
    public void abort(Throwable cause) {
        if (aborted == null) {
            aborted = cause;
        }
    }

    @Override
    public void close() {
        closed = true;
        allocated.forEach(CommBuffer::close);
    }

    private Work record(
            Operation operation,
            @Nullable CommBuffer buffer,
            @Nullable ReduceOp op,
            int peer,
            long[] counts,
            String tag) {
        Fingerprint call =
                new Fingerprint(
                        group,
                        calls.size(),
                        operation,
                        buffer == null ? null : buffer.dtype(),
                        buffer == null ? 0 : buffer.count(),
                        op,
                        peer,
                        Arrays.stream(counts).boxed().toList(),
                        tag);
        calls.add(call);
        Consumer<CommBuffer> answer = answers.get(tag);
        if (answer != null && buffer != null) {
            answer.accept(buffer);
        }
        return new ScriptedWork(call, failures.get(tag), stalls.contains(tag));
    }

    /** Work that has ended as the script says, or never ends. */
    private final class ScriptedWork implements Work {

        private final Fingerprint call;
        private final @Nullable RuntimeException failure;
        private final boolean stalled;

        ScriptedWork(Fingerprint call, @Nullable RuntimeException failure, boolean stalled) {
            this.call = call;
            this.failure = failure;
            this.stalled = stalled;
        }

        @Override
        public void await(Duration wait) {
            if (stalled) {
                List<Integer> others =
                        IntStream.range(0, size).filter(r -> r != rank).boxed().toList();
                throw CollectiveTimeoutException.of(call, wait, others, List.of(rank));
            }
            if (failure != null) {
                throw failure;
            }
        }

        @Override
        public void orderBefore(ComputeStream consumer) {
            await(deadline);
        }

        @Override
        public boolean isDone() {
            return !stalled;
        }

        @Override
        public Optional<Throwable> failure() {
            return Optional.ofNullable(failure);
        }

        @Override
        public boolean whenEnded(Runnable action) {
            if (!stalled) {
                action.run();
            }
            return true;
        }
    }
}
