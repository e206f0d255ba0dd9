package org.yoloddp.rendezvous;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Writes a message of the control plane: big-endian numbers, and bytes behind their length. */
final class MessageWriter {

    private final ByteArrayOutputStream out = new ByteArrayOutputStream(128);

    MessageWriter int8(int value) {
        out.write(value);
        return this;
    }

    MessageWriter int32(int value) {
        for (int shift = 24; shift >= 0; shift -= 8) {
            out.write(value >>> shift);
        }
        return this;
    }

    MessageWriter int64(long value) {
        return int32((int) (value >>> 32)).int32((int) value);
    }

    MessageWriter bytes(byte[] value) {
        int32(value.length);
        out.writeBytes(value);
        return this;
    }

    /** Writes bytes that may be missing. */
    MessageWriter optional(byte @Nullable [] value) {
        return value == null ? int8(0) : int8(1).bytes(value);
    }

    /** Writes bytes of a length that the reader knows. */
    MessageWriter raw(byte[] value) {
        out.writeBytes(value);
        return this;
    }

    MessageWriter text(String value) {
        return bytes(value.getBytes(StandardCharsets.UTF_8));
    }

    MessageWriter texts(List<String> values) {
        int32(values.size());
        values.forEach(this::text);
        return this;
    }

    MessageWriter table(Map<String, String> values) {
        int32(values.size());
        values.forEach((name, value) -> text(name).text(value));
        return this;
    }

    byte[] toBytes() {
        return out.toByteArray();
    }
}
