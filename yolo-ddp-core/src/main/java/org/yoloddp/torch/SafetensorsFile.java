package org.yoloddp.torch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A file in safetensors format. Its header is read and checked at once, a tensor's elements when
 * asked for; what is damaged gives a {@link SafetensorsException}. Needs no natives, but for {@link
 * #array}.
 */
public final class SafetensorsFile {

    private final String file;
    private final SafetensorsHeader header;
    private final Source source;

    /** Types of elements. */
    public enum Type {
        /** One byte, 0 or 1. */
        BOOL(1),
        /** Unsigned, 8 bits. */
        U8(1),
        /** Signed, 8 bits. */
        I8(1),
        /** Signed, 16 bits. */
        I16(2),
        /** Signed, 32 bits. */
        I32(4),
        /** Signed, 64 bits. */
        I64(8),
        /** Floating, 16 bits. */
        F16(2),
        /** Floating, the upper half of 32 bits. */
        BF16(2),
        /** Floating, 32 bits. */
        F32(4),
        /** Floating, 64 bits. */
        F64(8);

        private final int bytes;

        Type(int bytes) {
            this.bytes = bytes;
        }

        /**
         * Returns the size of an element.
         *
         * @return bytes
         */
        public int bytes() {
            return bytes;
        }
    }

    record Info(Type type, long[] shape, long begin, long end) {}

    /** Reads a part of the data. */
    private interface Source {
        byte[] read(long begin, int length) throws IOException;
    }

    private SafetensorsFile(String file, SafetensorsHeader header, Source source) {
        this.file = file;
        this.header = header;
        this.source = source;
    }

    /**
     * Opens a file. It is not held open; it must not change meanwhile.
     *
     * @param path of the file
     * @return its tensors
     * @throws SafetensorsException if it cannot be read or is damaged
     */
    public static SafetensorsFile read(Path path) {
        String name = path.toString();
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            long size = channel.size();
            if (size < Long.BYTES) {
                throw SafetensorsException.damaged(name, "it has " + size + " bytes only");
            }
            long length = headerLength(name, readAt(channel, 0, Long.BYTES));
            if (length > size - Long.BYTES) {
                throw SafetensorsException.damaged(
                        name,
                        "its header is said to have "
                                + length
                                + " bytes, and the whole file has "
                                + size);
            }
            String json = text(readAt(channel, Long.BYTES, (int) length));
            long start = Long.BYTES + length;
            return new SafetensorsFile(
                    name,
                    SafetensorsHeader.parse(name, json, size - start),
                    (begin, count) -> {
                        try (FileChannel again = FileChannel.open(path, StandardOpenOption.READ)) {
                            return readAt(again, start + begin, count);
                        }
                    });
        } catch (IOException e) {
            throw SafetensorsException.unreadable(name, e);
        }
    }

    /**
     * Reads a stream to its end, into memory.
     *
     * @param in for instance a resource; the caller closes it
     * @return its tensors
     * @throws SafetensorsException if it cannot be read or is damaged
     */
    public static SafetensorsFile read(InputStream in) {
        String name = "the stream";
        try {
            long length = headerLength(name, exactly(in, Long.BYTES));
            SafetensorsHeader header = SafetensorsHeader.parse(name, text(exactly(in, length)), -1);
            byte[] data = exactly(in, header.dataLength());
            if (in.read() >= 0) {
                throw SafetensorsException.damaged(name, "there is more than its tensors need");
            }
            return new SafetensorsFile(
                    name,
                    header,
                    (begin, count) -> Arrays.copyOfRange(data, (int) begin, (int) begin + count));
        } catch (IOException e) {
            throw SafetensorsException.unreadable(name, e);
        }
    }

    /**
     * Returns the names of the tensors.
     *
     * @return names, in the header's order
     */
    public List<String> names() {
        return List.copyOf(header.tensors.keySet());
    }

    /**
     * Tells whether there is a tensor.
     *
     * @param name of the tensor
     * @return whether the other methods find it
     */
    public boolean contains(String name) {
        return header.tensors.containsKey(name);
    }

    /**
     * Returns the free-form texts of the header.
     *
     * @return text by key
     */
    public Map<String, String> metadata() {
        return Collections.unmodifiableMap(header.metadata);
    }

    /**
     * Returns the shape of a tensor.
     *
     * @param name of the tensor
     * @return sizes by axis
     * @throws SafetensorsException if there is none
     */
    public long[] shape(String name) {
        return info(name).shape().clone();
    }

    /**
     * Returns the type of a tensor's elements.
     *
     * @param name of the tensor
     * @return the type
     * @throws SafetensorsException if there is none
     */
    public Type dtype(String name) {
        return info(name).type();
    }

    /**
     * Returns the elements of a floating tensor.
     *
     * @param name of the tensor
     * @return its elements in row-major order; those of F64 are rounded
     * @throws SafetensorsException if there is none, or it holds integers
     */
    public float[] floats(String name) {
        Info info = info(name);
        ByteBuffer buffer = buffer(name, info);
        float[] values = new float[buffer.remaining() / info.type().bytes()];
        switch (info.type()) {
            case F32 -> buffer.asFloatBuffer().get(values);
            case F64 -> {
                for (int i = 0; i < values.length; i++) {
                    values[i] = (float) buffer.getDouble();
                }
            }
            case F16 -> {
                for (int i = 0; i < values.length; i++) {
                    values[i] = HalfFloats.toFloat(buffer.getShort());
                }
            }
            case BF16 -> {
                for (int i = 0; i < values.length; i++) {
                    values[i] = Float.intBitsToFloat(buffer.getShort() << 16);
                }
            }
            default -> throw SafetensorsException.wrongType(file, name, info.type(), "floats");
        }
        return values;
    }

    /**
     * Returns the elements of a tensor of integers or truth values.
     *
     * @param name of the tensor
     * @return its elements in row-major order
     * @throws SafetensorsException if there is none, or it holds floats
     */
    public long[] longs(String name) {
        Info info = info(name);
        ByteBuffer buffer = buffer(name, info);
        long[] values = new long[buffer.remaining() / info.type().bytes()];
        for (int i = 0; i < values.length; i++) {
            values[i] =
                    switch (info.type()) {
                        case I64 -> buffer.getLong();
                        case I32 -> buffer.getInt();
                        case I16 -> buffer.getShort();
                        case I8 -> buffer.get();
                        case U8, BOOL -> buffer.get() & 0xff;
                        default ->
                                throw SafetensorsException.wrongType(
                                        file, name, info.type(), "integers");
                    };
        }
        return values;
    }

    /**
     * Returns the bytes of a tensor.
     *
     * @param name of the tensor
     * @return little-endian, in row-major order
     * @throws SafetensorsException if there is none
     */
    public byte[] bytes(String name) {
        return buffer(name, info(name)).array();
    }

    /**
     * Makes a tensor an array of the same type (of BF16, which DJL lacks, one of float32).
     *
     * @param manager what it attaches to
     * @param name of the tensor
     * @return the array
     * @throws SafetensorsException if there is none
     */
    public NDArray array(NDManager manager, String name) {
        Info info = info(name);
        Shape shape = new Shape(info.shape());
        DataType type = djlType(info.type());
        if (type == null) {
            return manager.create(floats(name), shape);
        }
        ByteBuffer from = buffer(name, info);
        ByteBuffer direct = manager.allocateDirect(from.remaining());
        direct.put(from).rewind();
        return manager.create(direct, shape, type);
    }

    private static @Nullable DataType djlType(Type type) {
        return switch (type) {
            case BOOL -> DataType.BOOLEAN;
            case U8 -> DataType.UINT8;
            case I8 -> DataType.INT8;
            case I16 -> DataType.INT16;
            case I32 -> DataType.INT32;
            case I64 -> DataType.INT64;
            case F16 -> DataType.FLOAT16;
            case BF16 -> null;
            case F32 -> DataType.FLOAT32;
            case F64 -> DataType.FLOAT64;
        };
    }

    private Info info(String name) {
        Info info = header.tensors.get(name);
        if (info == null) {
            throw SafetensorsException.noSuchTensor(file, name);
        }
        return info;
    }

    private ByteBuffer buffer(String name, Info info) {
        long length = info.end() - info.begin();
        if (length > Integer.MAX_VALUE - 8) {
            throw SafetensorsException.tooLarge(file, name, length);
        }
        try {
            return ByteBuffer.wrap(source.read(info.begin(), (int) length))
                    .order(ByteOrder.LITTLE_ENDIAN);
        } catch (IOException e) {
            throw SafetensorsException.unreadable(file, e);
        }
    }

    private static long headerLength(String name, byte[] first) {
        long length = ByteBuffer.wrap(first).order(ByteOrder.LITTLE_ENDIAN).getLong();
        if (length < 2 || length > SafetensorsHeader.MAX_LENGTH) {
            throw SafetensorsException.damaged(
                    name, "its header is said to have " + length + " bytes");
        }
        return length;
    }

    private static String text(byte[] json) {
        return new String(json, StandardCharsets.UTF_8);
    }

    private static byte[] readAt(FileChannel channel, long position, int length)
            throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(length);
        while (buffer.hasRemaining()) {
            if (channel.read(buffer, position + buffer.position()) < 0) {
                throw new IOException("the file ends after " + channel.size() + " bytes");
            }
        }
        return buffer.array();
    }

    /** Memory grows with what arrives, not with what is announced. */
    private static byte[] exactly(InputStream in, long length) throws IOException {
        if (length > Integer.MAX_VALUE - 8) {
            throw SafetensorsException.damaged(
                    "the stream", "it announces " + length + " bytes, too many for memory");
        }
        byte[] bytes = in.readNBytes((int) length);
        if (bytes.length < length) {
            throw SafetensorsException.damaged("the stream", "it ends too early");
        }
        return bytes;
    }
}
