package org.yoloddp.comm.tcp;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.lang.ref.WeakReference;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.CollectiveMismatchException;
import org.yoloddp.comm.CollectiveTimeoutException;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.CommunicatorClosedException;
import org.yoloddp.comm.Fingerprint;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.comm.RemoteCauseException;

/**
 * How failures cross between processes: type, fields and message stay, a cause becomes a {@link
 * RemoteCauseException}. Ranks of one JVM get the very object.
 */
final class FailureCodec {

    private static final int RANK_FAILED = 1;
    private static final int MISMATCH = 2;
    private static final int TIMEOUT = 3;
    private static final int NO_CAUSE = 0;
    private static final int CLOSED = 1;
    private static final int OTHER = 2;
    private static final int FRAMES = 40;

    private static final SplittableRandom IDS = new SplittableRandom();
    private static final Map<Long, WeakReference<CommunicationException>> HERE =
            new ConcurrentHashMap<>();

    private FailureCodec() {}

    /** Writes a failure, with less of its cause's stack if it is too long. */
    static byte[] bytes(CommunicationException failure, int most) {
        long id;
        synchronized (IDS) {
            id = IDS.nextLong();
        }
        HERE.values().removeIf(known -> known.refersTo(null));
        HERE.put(id, new WeakReference<>(failure));
        for (int frames = FRAMES; ; frames /= 2) {
            int shown = frames;
            byte[] bytes = Codec.bytes(out -> write(out, id, failure, shown, most / 8));
            if (bytes.length <= most || frames == 0) {
                return bytes;
            }
        }
    }

    static CommunicationException failure(byte[] bytes) {
        return Codec.read(
                bytes,
                in -> {
                    WeakReference<CommunicationException> known = HERE.get(in.readLong());
                    CommunicationException here = known == null ? null : known.get();
                    return here != null ? here : read(in);
                });
    }

    private static void write(
            DataOutputStream out, long id, CommunicationException failure, int frames, int most)
            throws IOException {
        out.writeLong(id);
        if (failure instanceof CollectiveMismatchException mismatch) {
            out.writeByte(MISMATCH);
            Codec.writeText(out, mismatch.group());
            out.writeLong(mismatch.sequence());
            Map<Integer, Fingerprint> calls = mismatch.calls();
            out.writeInt(calls.size());
            for (Map.Entry<Integer, Fingerprint> call : calls.entrySet()) {
                out.writeInt(call.getKey());
                Codec.writeText(out, call.getValue().group());
                Codec.write(out, call.getValue());
            }
            writeRanks(out, mismatch.silent());
        } else if (failure instanceof CollectiveTimeoutException timeout) {
            out.writeByte(TIMEOUT);
            Codec.writeText(out, timeout.group());
            Codec.write(out, timeout.call());
            out.writeLong(timeout.waited().toNanos());
            writeRanks(out, timeout.missing());
            writeRanks(out, timeout.arrived());
        } else {
            RankFailedException failed =
                    failure instanceof RankFailedException known
                            ? known
                            : RankFailedException.of(
                                    failure.group(), -1, "?", -1, -1, "somewhere", failure);
            out.writeByte(RANK_FAILED);
            Codec.writeText(out, failed.group());
            out.writeInt(failed.rank());
            Codec.writeText(out, failed.host());
            out.writeLong(failed.pid());
            out.writeLong(failed.step());
            Codec.writeText(out, failed.operation());
            writeCause(out, failed.getCause(), frames, most);
        }
    }

    private static CommunicationException read(DataInputStream in) throws IOException {
        int type = in.readByte();
        String group = Codec.readText(in);
        switch (type) {
            case MISMATCH -> {
                long sequence = in.readLong();
                Map<Integer, Fingerprint> calls = new TreeMap<>();
                int n = in.readInt();
                for (int i = 0; i < n; i++) {
                    int rank = in.readInt();
                    String theirs = Codec.readText(in);
                    calls.put(rank, Codec.fingerprint(theirs, in));
                }
                return CollectiveMismatchException.of(group, sequence, calls, readRanks(in));
            }
            case TIMEOUT -> {
                Fingerprint call = Codec.fingerprint(group, in);
                Duration waited = Duration.ofNanos(in.readLong());
                List<Integer> missing = readRanks(in);
                return CollectiveTimeoutException.of(call, waited, missing, readRanks(in));
            }
            default -> {
                int rank = in.readInt();
                String host = Codec.readText(in);
                long pid = in.readLong();
                long step = in.readLong();
                String operation = Codec.readText(in);
                Throwable cause = readCause(in);
                return RankFailedException.of(group, rank, host, pid, step, operation, cause);
            }
        }
    }

    private static void writeCause(
            DataOutputStream out, @Nullable Throwable cause, int frames, int most)
            throws IOException {
        if (cause == null) {
            out.writeByte(NO_CAUSE);
        } else if (cause instanceof CommunicatorClosedException closed) {
            out.writeByte(CLOSED);
            Codec.writeText(out, closed.group());
            out.writeInt(closed.rank());
        } else {
            out.writeByte(OTHER);
            Codec.writeText(out, begin(cause.toString(), most));
            String message = cause.getMessage();
            Codec.writeText(out, message == null ? "" : begin(message, most));
            StackTraceElement[] stack = cause.getStackTrace();
            int shown = Math.min(frames, stack.length);
            out.writeInt(shown);
            for (int i = 0; i < shown; i++) {
                String file = stack[i].getFileName();
                Codec.writeText(out, stack[i].getClassName());
                Codec.writeText(out, stack[i].getMethodName());
                Codec.writeText(out, file == null ? "" : file);
                out.writeInt(stack[i].getLineNumber());
            }
        }
    }

    private static @Nullable Throwable readCause(DataInputStream in) throws IOException {
        int kind = in.readByte();
        if (kind == NO_CAUSE) {
            return null;
        }
        String text = Codec.readText(in);
        if (kind == CLOSED) {
            return CommunicatorClosedException.of(text, in.readInt());
        }
        String message = Codec.readText(in);
        StackTraceElement[] stack = new StackTraceElement[in.readInt()];
        for (int i = 0; i < stack.length; i++) {
            String type = Codec.readText(in);
            String method = Codec.readText(in);
            String file = Codec.readText(in);
            stack[i] = new StackTraceElement(type, method, file, in.readInt());
        }
        return RemoteCauseException.of(message, text, List.of(stack));
    }

    private static String begin(String text, int most) {
        return text.length() <= most ? text : text.substring(0, most) + "...";
    }

    private static void writeRanks(DataOutputStream out, List<Integer> ranks) throws IOException {
        out.writeInt(ranks.size());
        for (int rank : ranks) {
            out.writeInt(rank);
        }
    }

    private static List<Integer> readRanks(DataInputStream in) throws IOException {
        List<Integer> ranks = new ArrayList<>();
        int n = in.readInt();
        for (int i = 0; i < n; i++) {
            ranks.add(in.readInt());
        }
        return ranks;
    }
}
