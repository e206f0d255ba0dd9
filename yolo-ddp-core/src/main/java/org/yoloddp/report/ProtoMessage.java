package org.yoloddp.report;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** A protocol buffer message in its wire format: just the field types that events need. */
final class ProtoMessage {

    private static final int VARINT = 0;
    private static final int FIXED64 = 1;
    private static final int LENGTH_DELIMITED = 2;
    private static final int FIXED32 = 5;

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    ProtoMessage putDouble(int field, double value) {
        key(field, FIXED64);
        out.writeBytes(little(Double.BYTES).putDouble(value).array());
        return this;
    }

    ProtoMessage putFloat(int field, float value) {
        key(field, FIXED32);
        out.writeBytes(little(Float.BYTES).putFloat(value).array());
        return this;
    }

    ProtoMessage putLong(int field, long value) {
        key(field, VARINT);
        varint(value);
        return this;
    }

    ProtoMessage putString(int field, String value) {
        return putBytes(field, value.getBytes(StandardCharsets.UTF_8));
    }

    ProtoMessage putMessage(int field, ProtoMessage value) {
        return putBytes(field, value.bytes());
    }

    byte[] bytes() {
        return out.toByteArray();
    }

    static ByteBuffer little(int length) {
        return ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
    }

    private ProtoMessage putBytes(int field, byte[] value) {
        key(field, LENGTH_DELIMITED);
        varint(value.length);
        out.writeBytes(value);
        return this;
    }

    private void key(int field, int type) {
        varint((long) field << 3 | type);
    }

    private void varint(long value) {
        long rest = value;
        while ((rest & ~0x7fL) != 0) {
            out.write((int) (rest & 0x7f | 0x80));
            rest >>>= 7;
        }
        out.write((int) rest);
    }
}
