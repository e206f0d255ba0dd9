package org.yoloddp.rendezvous;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.CollectiveMismatchException;
import org.yoloddp.comm.CollectiveTimeoutException;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.Fingerprint;
import org.yoloddp.comm.Operation;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.comm.ReduceOp;
import org.yoloddp.comm.RemoteCauseException;

/** Carries failures between processes without loss, but for causes: those become their text. */
final class FailureCodec {

    private static final int RANK_FAILED = 1;
    private static final int MISMATCH = 2;
    private static final int TIMEOUT = 3;
    private static final int STORE_LOST = 4;
    private static final int MAX_FRAMES = 200;
    private static final int LONGEST = 20_000;

    private FailureCodec() {}

    /**
     * Returns the failure of a group that a rank's failure is or stems from; otherwise one that
     * names this rank.
     */
    static CommunicationException asCommunication(Throwable cause, Hello me, Beat beat) {
        for (Throwable t = cause; t != null; t = t.getCause()) {
            if (isKnown(t)) {
                return (CommunicationException) t;
            }
        }
        return RankFailedException.of(
                "world", me.rank(), me.host(), me.pid(), beat.step(), beat.describe(), cause);
    }

    /** Tells whether a failure can be told as it is; one of another kind is a rank's cause. */
    private static boolean isKnown(Throwable failure) {
        return failure instanceof CollectiveMismatchException
                || failure instanceof CollectiveTimeoutException
                || failure instanceof RankFailedException
                || failure instanceof StoreLostException;
    }

    static void write(MessageWriter out, CommunicationException failure) {
        if (failure instanceof CollectiveMismatchException e) {
            out.int8(MISMATCH).text(e.group()).int64(e.sequence()).int32(e.calls().size());
            e.calls().forEach((rank, call) -> write(out.int32(rank), call));
            ranks(out, e.silent());
        } else if (failure instanceof CollectiveTimeoutException e) {
            write(out.int8(TIMEOUT), e.call());
            ranks(ranks(out.int64(e.waited().toMillis()), e.missing()), e.arrived());
        } else if (failure instanceof RankFailedException e) {
            out.int8(RANK_FAILED).text(e.group()).int32(e.rank()).text(e.host()).int64(e.pid());
            write(out.int64(e.step()).text(e.operation()), e.getCause());
            out.texts(e.threadStacks());
        } else if (failure instanceof StoreLostException e) {
            out.int8(STORE_LOST).text(e.group()).text(e.server()).text(e.reason());
        } else {
            throw new IllegalArgumentException("unknown kind of failure", failure);
        }
    }

    static CommunicationException read(MessageReader in) throws MalformedMessageException {
        int kind = in.int8();
        return switch (kind) {
            case MISMATCH -> {
                String group = in.text();
                long sequence = in.int64();
                int count = in.int32();
                Map<Integer, Fingerprint> calls = new TreeMap<>();
                for (int i = 0; i < count; i++) {
                    int rank = in.int32();
                    calls.put(rank, fingerprint(in));
                }
                yield CollectiveMismatchException.of(group, sequence, calls, ranks(in));
            }
            case TIMEOUT -> {
                Fingerprint call = fingerprint(in);
                Duration waited = Duration.ofMillis(in.int64());
                List<Integer> missing = ranks(in);
                yield CollectiveTimeoutException.of(call, waited, missing, ranks(in));
            }
            case RANK_FAILED -> {
                String group = in.text();
                int rank = in.int32();
                String host = in.text();
                long pid = in.int64();
                long step = in.int64();
                String operation = in.text();
                Throwable cause = cause(in);
                yield RankFailedException.of(
                        group, rank, host, pid, step, operation, cause, in.texts());
            }
            case STORE_LOST -> StoreLostException.of(in.text(), in.text(), in.text());
            default -> throw new MalformedMessageException("a failure of kind " + kind);
        };
    }

    static void write(MessageWriter out, Fingerprint call) {
        out.text(call.group()).int64(call.sequence()).int8(call.operation().ordinal());
        DType dtype = call.dtype();
        ReduceOp op = call.op();
        out.int8(dtype == null ? -1 : dtype.ordinal()).int64(call.count());
        out.int8(op == null ? -1 : op.kind().ordinal());
        out.int64(Double.doubleToLongBits(op == null ? 1 : op.scale(1))).int32(call.peer());
        out.int32(call.counts().size());
        call.counts().forEach(out::int64);
        out.text(call.tag());
    }

    static Fingerprint fingerprint(MessageReader in) throws MalformedMessageException {
        String group = in.text();
        long sequence = in.int64();
        Operation operation = constant(Operation.values(), in.int8());
        int dtype = in.int8();
        long count = in.int64();
        int op = in.int8();
        double factor = Double.longBitsToDouble(in.int64());
        int peer = in.int32();
        int shares = in.int32();
        List<Long> counts = new ArrayList<>();
        for (int i = 0; i < shares; i++) {
            counts.add(in.int64());
        }
        return new Fingerprint(
                group,
                sequence,
                operation,
                dtype < 0 ? null : constant(DType.values(), dtype),
                count,
                op < 0 ? null : ReduceOp.of(constant(ReduceOp.Kind.values(), op), factor),
                peer,
                counts,
                in.text());
    }

    private static <E> E constant(E[] values, int index) throws MalformedMessageException {
        if (index < 0 || index >= values.length) {
            throw new MalformedMessageException("constant " + index);
        }
        return values[index];
    }

    private static MessageWriter ranks(MessageWriter out, List<Integer> ranks) {
        out.int32(ranks.size());
        ranks.forEach(out::int32);
        return out;
    }

    private static List<Integer> ranks(MessageReader in) throws MalformedMessageException {
        int count = in.int32();
        List<Integer> ranks = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            ranks.add(in.int32());
        }
        return ranks;
    }

    private static void write(MessageWriter out, @Nullable Throwable cause) {
        if (cause == null) {
            out.int8(0);
            return;
        }
        String message = cause.getMessage();
        out.int8(1).text(message == null ? "" : cut(message)).text(cut(cause.toString()));
        StackTraceElement[] all = cause.getStackTrace();
        StackTraceElement[] stack = Arrays.copyOf(all, Math.min(all.length, MAX_FRAMES));
        out.int32(stack.length);
        for (StackTraceElement frame : stack) {
            String file = frame.getFileName();
            out.text(frame.getClassName())
                    .text(frame.getMethodName())
                    .text(file == null ? "" : file)
                    .int32(frame.getLineNumber());
        }
    }

    private static String cut(String text) {
        return text.length() > LONGEST ? text.substring(0, LONGEST) + "…" : text;
    }

    private static @Nullable Throwable cause(MessageReader in) throws MalformedMessageException {
        if (in.int8() == 0) {
            return null;
        }
        String message = in.text();
        String text = in.text();
        int frames = in.int32();
        List<StackTraceElement> stack = new ArrayList<>();
        for (int i = 0; i < frames; i++) {
            String type = in.text();
            String method = in.text();
            String file = in.text();
            stack.add(
                    new StackTraceElement(type, method, file.isEmpty() ? null : file, in.int32()));
        }
        return RemoteCauseException.of(message, text, stack);
    }
}
