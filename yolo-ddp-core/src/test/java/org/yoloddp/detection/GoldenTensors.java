package org.yoloddp.detection;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.yoloddp.testing.Golden;

/** Golden tensors, read without the native engine; bytes too, which DJL's reader lacks. */
record GoldenTensors(JsonObject header, ByteBuffer data) {

    static GoldenTensors read(String name) {
        return read(resource(name + ".safetensors"));
    }

    static GoldenTensors read(Path file) {
        try {
            return read(Files.readAllBytes(file));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static GoldenTensors read(byte[] file) {
        ByteBuffer buffer = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
        int length = (int) buffer.getLong(0);
        String header = new String(file, 8, length, StandardCharsets.UTF_8);
        ByteBuffer data = buffer.slice(8 + length, file.length - 8 - length);
        return new GoldenTensors(
                JsonParser.parseString(header).getAsJsonObject(),
                data.order(ByteOrder.LITTLE_ENDIAN));
    }

    int size(String tensor, int axis) {
        return header.getAsJsonObject(tensor).getAsJsonArray("shape").get(axis).getAsInt();
    }

    byte[] bytes(String tensor) {
        var offsets = header.getAsJsonObject(tensor).getAsJsonArray("data_offsets");
        int from = offsets.get(0).getAsInt();
        byte[] result = new byte[offsets.get(1).getAsInt() - from];
        data.get(from, result);
        return result;
    }

    float[] floats(String tensor) {
        byte[] bytes = bytes(tensor);
        float[] result = new float[bytes.length / 4];
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(result);
        return result;
    }

    float[][] rows(String tensor) {
        float[] flat = floats(tensor);
        int columns = size(tensor, 1);
        float[][] rows = new float[flat.length / columns][columns];
        for (int i = 0; i < flat.length; i++) {
            rows[i / columns][i % columns] = flat[i];
        }
        return rows;
    }

    private static byte[] resource(String name) {
        try (InputStream in = Golden.stream(name)) {
            return in.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
