package org.yoloddp.nccl;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.ref.WeakReference;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.ConcurrentHashMap;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.Fingerprint;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.rendezvous.FailureMessages;

/**
 * {@link Note}s and {@link Verdict}s as bytes. Ranks of one JVM get the very object of a failure,
 * with its causes.
 */
final class ControlCodec {

    /** What one rank tells at a time. */
    record Notes(int rank, List<Note> notes) {}

    private static final int POSTED = 1;
    private static final int ENDED = 2;
    private static final int TIMED_OUT = 3;
    private static final int FAILED = 4;
    private static final int LEAVING = 5;
    private static final int LEFT = 6;
    private static final int MATCHED = 7;
    private static final int DRAINED = 8;
    private static final int BYE = 9;
    private static final int HASHED = 10;
    private static final int DETAILS = 11;

    private static final SplittableRandom IDS = new SplittableRandom();
    private static final Map<Long, WeakReference<CommunicationException>> HERE =
            new ConcurrentHashMap<>();

    private ControlCodec() {}

    private interface Writing {
        void write(DataOutputStream out) throws IOException;
    }

    private static byte[] bytes(Writing writing) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(256);
        try (DataOutputStream out = new DataOutputStream(bytes)) {
            writing.write(out);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return bytes.toByteArray();
    }

    static byte[] notes(int rank, List<Note> notes) {
        return bytes(
                out -> {
                    out.writeInt(rank);
                    out.writeInt(notes.size());
                    for (Note note : notes) {
                        write(out, note);
                    }
                });
    }

    private static void write(DataOutputStream out, Note note) throws IOException {
        if (note instanceof Note.Posted posted) {
            begin(out, POSTED, note.group());
            block(out, FailureMessages.of(posted.call()));
        } else if (note instanceof Note.Ended ended) {
            begin(out, ENDED, note.group());
            out.writeLong(ended.count());
        } else if (note instanceof Note.TimedOut timedOut) {
            begin(out, TIMED_OUT, note.group());
            out.writeLong(timedOut.index());
            block(out, FailureMessages.of(timedOut.call()));
            out.writeLong(timedOut.waited().toNanos());
            out.writeBoolean(timedOut.hashes());
        } else if (note instanceof Note.Hashed hashed) {
            begin(out, HASHED, note.group());
            out.writeLong(hashed.from());
            out.writeInt(hashed.count());
            out.writeLong(hashed.hash());
        } else if (note instanceof Note.Details details) {
            begin(out, DETAILS, note.group());
            out.writeLong(details.from());
            out.writeInt(details.calls().size());
            for (Fingerprint call : details.calls()) {
                block(out, FailureMessages.of(call));
            }
        } else if (note instanceof Note.Failed failed) {
            begin(out, FAILED, note.group());
            failure(out, failed.failure());
            out.writeBoolean(failed.accusation());
        } else if (note instanceof Note.Leaving) {
            begin(out, LEAVING, note.group());
        } else if (note instanceof Note.Left left) {
            begin(out, LEFT, note.group());
            failure(out, left.absence());
        }
    }

    static Notes notes(byte[] message) throws IOException {
        DataInputStream in = new DataInputStream(new ByteArrayInputStream(message));
        int rank = in.readInt();
        int count = in.readInt();
        List<Note> notes = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            notes.add(note(in));
        }
        return new Notes(rank, notes);
    }

    private static Note note(DataInputStream in) throws IOException {
        int type = in.readByte();
        String group = text(in);
        return switch (type) {
            case POSTED -> new Note.Posted(group, FailureMessages.call(block(in)));
            case ENDED -> new Note.Ended(group, in.readLong());
            case TIMED_OUT ->
                    new Note.TimedOut(
                            group,
                            in.readLong(),
                            FailureMessages.call(block(in)),
                            Duration.ofNanos(in.readLong()),
                            in.readBoolean());
            case HASHED -> new Note.Hashed(group, in.readLong(), in.readInt(), in.readLong());
            case DETAILS -> new Note.Details(group, in.readLong(), calls(in));
            case FAILED -> new Note.Failed(group, failure(in), in.readBoolean());
            case LEAVING -> new Note.Leaving(group);
            case LEFT -> new Note.Left(group, failure(in));
            default -> throw new IOException("a note of type " + type);
        };
    }

    private static List<Fingerprint> calls(DataInputStream in) throws IOException {
        int count = in.readInt();
        List<Fingerprint> calls = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            calls.add(FailureMessages.call(block(in)));
        }
        return calls;
    }

    static byte[] verdicts(List<Verdict> verdicts) {
        return bytes(
                out -> {
                    out.writeInt(verdicts.size());
                    for (Verdict verdict : verdicts) {
                        write(out, verdict);
                    }
                });
    }

    private static void write(DataOutputStream out, Verdict verdict) throws IOException {
        if (verdict instanceof Verdict.Matched matched) {
            begin(out, MATCHED, verdict.group());
            out.writeLong(matched.count());
        } else if (verdict instanceof Verdict.Failed failed) {
            begin(out, FAILED, verdict.group());
            failure(out, failed.failure());
        } else if (verdict instanceof Verdict.Details) {
            begin(out, DETAILS, verdict.group());
        } else if (verdict instanceof Verdict.Drained) {
            begin(out, DRAINED, verdict.group());
        } else if (verdict instanceof Verdict.Bye) {
            begin(out, BYE, verdict.group());
        }
    }

    static List<Verdict> verdicts(byte[] message) throws IOException {
        DataInputStream in = new DataInputStream(new ByteArrayInputStream(message));
        int count = in.readInt();
        List<Verdict> verdicts = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            verdicts.add(verdict(in));
        }
        return verdicts;
    }

    private static Verdict verdict(DataInputStream in) throws IOException {
        int type = in.readByte();
        String group = text(in);
        return switch (type) {
            case MATCHED -> new Verdict.Matched(group, in.readLong());
            case FAILED -> new Verdict.Failed(group, failure(in));
            case DETAILS -> new Verdict.Details(group);
            case DRAINED -> new Verdict.Drained(group);
            case BYE -> new Verdict.Bye(group);
            default -> throw new IOException("a verdict of type " + type);
        };
    }

    private static void begin(DataOutputStream out, int type, String group) throws IOException {
        out.writeByte(type);
        block(out, group.getBytes(StandardCharsets.UTF_8));
    }

    private static void block(DataOutputStream out, byte[] block) throws IOException {
        out.writeInt(block.length);
        out.write(block);
    }

    private static byte[] block(DataInputStream in) throws IOException {
        return in.readNBytes(in.readInt());
    }

    private static String text(DataInputStream in) throws IOException {
        return new String(block(in), StandardCharsets.UTF_8);
    }

    private static void failure(DataOutputStream out, CommunicationException failure)
            throws IOException {
        long id;
        synchronized (IDS) {
            id = IDS.nextLong();
        }
        HERE.values().removeIf(known -> known.refersTo(null));
        HERE.put(id, new WeakReference<>(failure));
        out.writeLong(id);
        byte[] block;
        try {
            block = FailureMessages.of(failure);
        } catch (IllegalArgumentException e) {
            block =
                    FailureMessages.of(
                            RankFailedException.of(
                                    failure.group(), -1, "?", -1, -1, "somewhere", failure));
        }
        block(out, block);
    }

    private static CommunicationException failure(DataInputStream in) throws IOException {
        WeakReference<CommunicationException> known = HERE.get(in.readLong());
        CommunicationException here = known == null ? null : known.get();
        byte[] block = block(in);
        return here != null ? here : FailureMessages.failure(block);
    }
}
