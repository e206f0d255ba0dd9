package org.yoloddp.yolo;

import java.nio.ByteBuffer;
import java.util.Locale;
import org.yoloddp.torch.HalfFloats;

/** Element types of a checkpoint's storages. */
enum StorageType {
    HALF(2),
    BFLOAT16(2),
    FLOAT(4),
    DOUBLE(8),
    BYTE(1),
    BOOL(1),
    CHAR(1),
    SHORT(2),
    INT(4),
    LONG(8);

    private static final String PACKAGE = "torch ";

    private final int bytes;

    StorageType(int bytes) {
        this.bytes = bytes;
    }

    int bytes() {
        return bytes;
    }

    boolean floating() {
        return this == HALF || this == BFLOAT16 || this == FLOAT || this == DOUBLE;
    }

    /** The global by which a pickle names this type. */
    String global() {
        return switch (this) {
            case BFLOAT16 -> PACKAGE + "BFloat16Storage";
            default ->
                    PACKAGE
                            + name().charAt(0)
                            + name().substring(1).toLowerCase(Locale.ROOT)
                            + "Storage";
        };
    }

    /** The element at an index of little-endian bytes, as a double; exact but for huge integers. */
    double asDouble(ByteBuffer data, int index) {
        int at = index * bytes;
        return switch (this) {
            case HALF -> HalfFloats.toFloat(data.getShort(at));
            case BFLOAT16 -> Float.intBitsToFloat(data.getShort(at) << 16);
            case FLOAT -> data.getFloat(at);
            case DOUBLE -> data.getDouble(at);
            default -> asLong(data, index);
        };
    }

    /** The element at an index of little-endian bytes of an integer type. */
    long asLong(ByteBuffer data, int index) {
        int at = index * bytes;
        return switch (this) {
            case BYTE, BOOL -> data.get(at) & 0xff;
            case CHAR -> data.get(at);
            case SHORT -> data.getShort(at);
            case INT -> data.getInt(at);
            case LONG -> data.getLong(at);
            default -> (long) asDouble(data, index);
        };
    }
}
