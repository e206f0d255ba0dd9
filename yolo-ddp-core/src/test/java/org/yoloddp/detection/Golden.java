package org.yoloddp.detection;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Objects;

/** Golden values of the test resources, read without the native engine. */
record Golden(JsonObject header, ByteBuffer data) {

    static JsonObject json(String name) {
        return JsonParser.parseString(new String(resource(name + ".json"), StandardCharsets.UTF_8))
                .getAsJsonObject();
    }

    static Golden tensors(String name) {
        return tensors(resource(name + ".safetensors"));
    }

    static Golden tensors(byte[] file) {
        ByteBuffer buffer = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
        int length = (int) buffer.getLong(0);
        String header = new String(file, 8, length, StandardCharsets.UTF_8);
        ByteBuffer data = buffer.slice(8 + length, file.length - 8 - length);
        return new Golden(
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
        try (InputStream in = Golden.class.getResourceAsStream("/golden/" + name)) {
            return Objects.requireNonNull(in, name).readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
