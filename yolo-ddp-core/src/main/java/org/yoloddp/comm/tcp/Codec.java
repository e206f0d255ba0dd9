package org.yoloddp.comm.tcp;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.Fingerprint;
import org.yoloddp.comm.Operation;
import org.yoloddp.comm.ReduceOp;

/** How fingerprints cross between processes. */
final class Codec {

    /** The most bytes of a fingerprint. */
    static final int MAX_CALL = 1200;

    /** A tag or a list that is longer crosses as its beginning; the hash is of all of it. */
    private static final int MAX_TAG = 200;

    private static final int MAX_COUNTS = 40;

    private Codec() {}

    interface Body {
        void write(DataOutputStream out) throws IOException;
    }

    interface Reader<T> {
        T read(DataInputStream in) throws IOException;
    }

    static byte[] bytes(Body body) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (DataOutputStream out = new DataOutputStream(bytes)) {
            body.write(out);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return bytes.toByteArray();
    }

    static <T> T read(byte[] bytes, Reader<T> reader) {
        try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(bytes))) {
            return reader.read(in);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Writes what ranks must agree in; the group is known from where it is written to. */
    static byte[] bytes(Fingerprint call) {
        return bytes(out -> write(out, call));
    }

    static void write(DataOutputStream out, Fingerprint call) throws IOException {
        DType dtype = call.dtype();
        ReduceOp op = call.op();
        out.writeLong(call.sequence());
        out.writeByte(call.operation().ordinal());
        out.writeByte(dtype == null ? -1 : dtype.ordinal());
        out.writeByte(op == null ? -1 : op.kind().ordinal());
        out.writeDouble(op == null ? 1 : op.scale(1));
        out.writeInt(call.peer());
        out.writeLong(call.count());
        List<Long> counts = call.counts();
        int shown = Math.min(counts.size(), MAX_COUNTS);
        out.writeShort(shown);
        for (Long count : counts.subList(0, shown)) {
            out.writeLong(count);
        }
        String tag = call.tag();
        writeText(out, tag.substring(0, Math.min(tag.length(), MAX_TAG)));
        out.writeInt(counts.hashCode());
        out.writeInt(tag.hashCode());
    }

    static Fingerprint fingerprint(String group, byte[] bytes) {
        return read(bytes, in -> fingerprint(group, in));
    }

    static Fingerprint fingerprint(String group, DataInputStream in) throws IOException {
        long sequence = in.readLong();
        Operation operation = Operation.values()[in.readByte()];
        int dtype = in.readByte();
        int op = in.readByte();
        double factor = in.readDouble();
        int peer = in.readInt();
        long count = in.readLong();
        int n = in.readShort();
        List<Long> counts = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            counts.add(in.readLong());
        }
        String tag = readText(in);
        in.skipNBytes(2 * Integer.BYTES);
        return new Fingerprint(
                group,
                sequence,
                operation,
                dtype < 0 ? null : DType.values()[dtype],
                count,
                op < 0 ? null : ReduceOp.of(ReduceOp.Kind.values()[op], factor),
                peer,
                counts,
                tag);
    }

    static void writeText(DataOutputStream out, String text) throws IOException {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        out.writeInt(bytes.length);
        out.write(bytes);
    }

    static String readText(DataInputStream in) throws IOException {
        byte[] bytes = new byte[in.readInt()];
        in.readFully(bytes);
        return new String(bytes, StandardCharsets.UTF_8);
    }
}
