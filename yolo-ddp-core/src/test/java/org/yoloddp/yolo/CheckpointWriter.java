package org.yoloddp.yolo;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/** Writes archives like torch.save's, honest and forged ones. */
final class CheckpointWriter {

    private final ByteArrayOutputStream pickle = new ByteArrayOutputStream();
    private final Map<String, byte[]> storages = new LinkedHashMap<>();

    CheckpointWriter() {
        op(0x80).op(2);
    }

    /** An archive of exactly this pickle. */
    static CheckpointWriter raw(byte[] pickle) {
        CheckpointWriter writer = new CheckpointWriter();
        writer.pickle.reset();
        writer.pickle.writeBytes(pickle);
        return writer;
    }

    byte[] pickle() {
        return pickle.toByteArray();
    }

    CheckpointWriter op(int opcode) {
        pickle.write(opcode);
        return this;
    }

    CheckpointWriter ops(String opcodes) {
        pickle.writeBytes(opcodes.getBytes(StandardCharsets.ISO_8859_1));
        return this;
    }

    CheckpointWriter global(String module, String name) {
        return ops("c" + module + "\n" + name + "\n");
    }

    CheckpointWriter text(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        op('X');
        pickle.writeBytes(little(bytes.length));
        pickle.writeBytes(bytes);
        return this;
    }

    CheckpointWriter number(int value) {
        op('J');
        pickle.writeBytes(little(value));
        return this;
    }

    private static byte[] little(int value) {
        return ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(value).array();
    }

    /**
     * A dict {"model": module of the class}, whose state's items follow until {@link #endModel}.
     */
    CheckpointWriter beginModel(String module, String name) {
        return op('}').text("model").global(module, name).ops(")").op(0x81).ops("}(");
    }

    CheckpointWriter endModel() {
        return ops("ubs.");
    }

    /** A float32 tensor of one dimension, as a value. */
    CheckpointWriter tensor(String key, int elements, int size, int offset, int stride) {
        global("torch._utils", "_rebuild_tensor_v2").ops("(");
        ops("(").text("storage").global("torch", "FloatStorage").text(key).text("cpu");
        number(elements).ops("tQ");
        number(offset).number(size).op(0x85).number(stride).op(0x85).op(0x89);
        return global("collections", "OrderedDict").ops(")RtR");
    }

    CheckpointWriter storage(String key, float... values) {
        ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
        for (float value : values) {
            bytes.putFloat(value);
        }
        storages.put(key, bytes.array());
        return this;
    }

    Path write(Path file) {
        return write(file, false);
    }

    Path write(Path file, boolean compressed) {
        try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(file))) {
            put(zip, "x/data.pkl", pickle.toByteArray(), compressed);
            for (Map.Entry<String, byte[]> storage : storages.entrySet()) {
                put(zip, "x/data/" + storage.getKey(), storage.getValue(), compressed);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return file;
    }

    private static void put(ZipOutputStream zip, String name, byte[] bytes, boolean compressed)
            throws IOException {
        ZipEntry entry = new ZipEntry(name);
        if (!compressed) {
            CRC32 checksum = new CRC32();
            checksum.update(bytes);
            entry.setMethod(ZipEntry.STORED);
            entry.setSize(bytes.length);
            entry.setCrc(checksum.getValue());
        }
        zip.putNextEntry(entry);
        zip.write(bytes);
        zip.closeEntry();
    }
}
