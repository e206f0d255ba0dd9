package org.yoloddp.torch;

import ai.djl.ndarray.NDArray;
import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.Map;

/** Writes files in safetensors format; {@link SafetensorsFile} reads them. */
public final class Safetensors {

    private static final int ALIGNMENT = 8;

    private Safetensors() {}

    /**
     * Writes arrays into a file, in order and in logical (row-major) layout. The file appears under
     * its name only when it is complete.
     *
     * @param path of the file; its folder must exist; an older file is replaced
     * @param tensors by name
     * @param metadata free-form texts for the header
     * @throws SafetensorsException if it cannot be written
     */
    public static void write(
            Path path, LinkedHashMap<String, NDArray> tensors, Map<String, String> metadata) {
        Path absolute = path.toAbsolutePath();
        Path part =
                absolute.resolveSibling(
                        absolute.getFileName() + "." + ProcessHandle.current().pid() + ".part");
        try {
            try (FileChannel channel =
                    FileChannel.open(
                            part,
                            StandardOpenOption.CREATE,
                            StandardOpenOption.TRUNCATE_EXISTING,
                            StandardOpenOption.WRITE)) {
                writeFully(channel, header(tensors, metadata));
                for (NDArray array : tensors.values()) {
                    ForeignMemory.forEachChunk(array, chunk -> writeUnchecked(channel, chunk));
                }
                channel.force(true);
            }
            move(part, absolute);
        } catch (UncheckedIOException e) {
            throw SafetensorsException.unwritable(path.toString(), e.getCause());
        } catch (IOException e) {
            throw SafetensorsException.unwritable(path.toString(), e);
        } finally {
            deleteQuietly(part);
        }
    }

    private static ByteBuffer header(Map<String, NDArray> tensors, Map<String, String> metadata) {
        JsonObject header = new JsonObject();
        if (!metadata.isEmpty()) {
            JsonObject texts = new JsonObject();
            metadata.forEach(texts::addProperty);
            header.add("__metadata__", texts);
        }
        long at = 0;
        for (Map.Entry<String, NDArray> entry : tensors.entrySet()) {
            JsonObject tensor = new JsonObject();
            tensor.addProperty("dtype", type(entry.getValue()).name());
            JsonArray shape = new JsonArray();
            for (long size : entry.getValue().getShape().getShape()) {
                shape.add(size);
            }
            tensor.add("shape", shape);
            JsonArray offsets = new JsonArray();
            offsets.add(at);
            at += ForeignMemory.byteCount(entry.getValue());
            offsets.add(at);
            tensor.add("data_offsets", offsets);
            header.add(entry.getKey(), tensor);
        }
        byte[] json = header.toString().getBytes(StandardCharsets.UTF_8);
        int length = (json.length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        ByteBuffer buffer = ByteBuffer.allocate(Long.BYTES + length).order(ByteOrder.LITTLE_ENDIAN);
        buffer.putLong(length).put(json);
        while (buffer.hasRemaining()) {
            buffer.put((byte) ' ');
        }
        return buffer.flip();
    }

    private static SafetensorsFile.Type type(NDArray array) {
        return switch (Tensors.view(array).scalar_type().intern()) {
            case Float -> SafetensorsFile.Type.F32;
            case Double -> SafetensorsFile.Type.F64;
            case Half -> SafetensorsFile.Type.F16;
            case BFloat16 -> SafetensorsFile.Type.BF16;
            case Long -> SafetensorsFile.Type.I64;
            case Int -> SafetensorsFile.Type.I32;
            case Short -> SafetensorsFile.Type.I16;
            case Char -> SafetensorsFile.Type.I8;
            case Byte -> SafetensorsFile.Type.U8;
            case Bool -> SafetensorsFile.Type.BOOL;
            default -> throw TorchException.unsupportedType(array.getDataType());
        };
    }

    private static void move(Path from, Path to) throws IOException {
        try {
            Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
        } catch (AtomicMoveNotSupportedException e) {
            Files.move(from, to, StandardCopyOption.REPLACE_EXISTING);
        }
    }

    private static void writeUnchecked(FileChannel channel, ByteBuffer buffer) {
        try {
            writeFully(channel, buffer);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void writeFully(FileChannel channel, ByteBuffer buffer) throws IOException {
        while (buffer.hasRemaining()) {
            channel.write(buffer);
        }
    }

    private static void deleteQuietly(Path file) {
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            // it stays as .part, which nobody reads
        }
    }
}
