package org.yoloddp.ddp;

import java.lang.reflect.Proxy;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.Fingerprint;
import org.yoloddp.comm.ForwardingCommunicator;
import org.yoloddp.comm.ReduceOp;
import org.yoloddp.comm.Work;

/** A communicator with a mistake in it, to see that a test of equality would notice. */
final class Tampered extends ForwardingCommunicator {

    private final UnaryOperator<ReduceOp> operation;
    private final Predicate<String> skip;

    Tampered(Communicator inner, UnaryOperator<ReduceOp> operation, Predicate<String> skip) {
        super(inner);
        this.operation = operation;
        this.skip = skip;
    }

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
                ? barrier(tag)
                : super.allReduce(buffer, operation.apply(op), producer, tag);
    }

    @Override
    public Work allGather(CommBuffer buffer, long[] counts, ComputeStream producer, String tag) {
        return tag.startsWith("updated parameters") && skip.test(tag)
                ? barrier(tag)
                : super.allGather(buffer, counts, producer, tag);
    }

    @Override
    protected Work submit(Fingerprint call, CommBuffer buffer, Supplier<Work> collective) {
        return collective.get();
    }
}
