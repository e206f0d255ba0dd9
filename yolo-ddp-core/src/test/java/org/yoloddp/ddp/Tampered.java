package org.yoloddp.ddp;

import java.lang.reflect.Proxy;
import java.time.Duration;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.comm.ReduceOp;
import org.yoloddp.comm.Work;

/** A communicator with a mistake in it, to see that a test of equality would notice. */
record Tampered(Communicator inner, UnaryOperator<ReduceOp> operation, Predicate<String> skip)
        implements Communicator {

    /** Leaves out the reductions and gathers of updated parameters whose tag matches. */
    static UnaryOperator<Communicator> skipping(Predicate<String> tag) {
        return inner -> new Tampered(inner, UnaryOperator.identity(), tag);
    }

    /** Sums where it should average. */
    static Communicator summing(Communicator inner) {
        return new Tampered(inner, op -> op == ReduceOp.AVG ? ReduceOp.SUM : op, tag -> false);
    }

    /** Refuses whatever ranks would exchange. */
    static Communicator refusing(Communicator inner) {
        return (Communicator)
                Proxy.newProxyInstance(
                        Tampered.class.getClassLoader(),
                        new Class<?>[] {Communicator.class},
                        (proxy, method, arguments) -> {
                            if (Work.class.isAssignableFrom(method.getReturnType())) {
                                throw new AssertionError("asked for " + method.getName());
                            }
                            return method.invoke(inner, arguments);
                        });
    }

    @Override
    public Work allReduce(CommBuffer buffer, ReduceOp op, ComputeStream producer, String tag) {
        return skip.test(tag)
                ? inner.barrier(tag)
                : inner.allReduce(buffer, operation.apply(op), producer, tag);
    }

    @Override
    public int rank() {
        return inner.rank();
    }

    @Override
    public int size() {
        return inner.size();
    }

    @Override
    public String group() {
        return inner.group();
    }

    @Override
    public Duration deadline() {
        return inner.deadline();
    }

    @Override
    public CommBuffer allocate(DType dtype, long count) {
        return inner.allocate(dtype, count);
    }

    @Override
    public CommBuffer wrap(
            long address, DType dtype, long count, MemoryDevice device, Object owner) {
        return inner.wrap(address, dtype, count, device, owner);
    }

    @Override
    public Work broadcast(CommBuffer buffer, int root, ComputeStream producer, String tag) {
        return inner.broadcast(buffer, root, producer, tag);
    }

    @Override
    public Work reduceScatter(
            CommBuffer buffer, long[] counts, ReduceOp op, ComputeStream producer, String tag) {
        return inner.reduceScatter(buffer, counts, op, producer, tag);
    }

    @Override
    public Work allGather(CommBuffer buffer, long[] counts, ComputeStream producer, String tag) {
        return tag.startsWith("updated parameters") && skip.test(tag)
                ? inner.barrier(tag)
                : inner.allGather(buffer, counts, producer, tag);
    }

    @Override
    public Work send(CommBuffer buffer, int destination, ComputeStream producer, String tag) {
        return inner.send(buffer, destination, producer, tag);
    }

    @Override
    public Work recv(CommBuffer buffer, int source, ComputeStream producer, String tag) {
        return inner.recv(buffer, source, producer, tag);
    }

    @Override
    public Work barrier(String tag) {
        return inner.barrier(tag);
    }

    @Override
    public Optional<Communicator> split(String name, int... ranks) {
        return inner.split(name, ranks);
    }

    @Override
    public void progress(String phase, long step) {
        inner.progress(phase, step);
    }

    @Override
    public void abort(Throwable cause) {
        inner.abort(cause);
    }

    @Override
    public void close() {
        inner.close();
    }
}
