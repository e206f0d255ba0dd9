package org.yoloddp.testing;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Golden values: exact outputs of the original implementations, read from the test resources. */
public final class Golden {

    private Golden() {}

    /** Reads a JSON file of {@code src/test/resources/golden}. */
    public static JsonObject json(String name) {
        try (Reader reader = new InputStreamReader(stream(name), StandardCharsets.UTF_8)) {
            return JsonParser.parseReader(reader).getAsJsonObject();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Reads a JSON file. */
    public static JsonObject json(Path file) {
        try (Reader reader = Files.newBufferedReader(file, StandardCharsets.UTF_8)) {
            return JsonParser.parseReader(reader).getAsJsonObject();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Opens a file of {@code src/test/resources/golden}. */
    public static InputStream stream(String name) {
        InputStream stream = Golden.class.getResourceAsStream("/golden/" + name);
        if (stream == null) {
            throw new IllegalArgumentException("no golden/" + name + " in the test resources");
        }
        return stream;
    }

    /** An array of numbers; NaN and infinities may be strings. */
    public static double[] doubles(JsonElement array) {
        JsonArray values = array.getAsJsonArray();
        double[] result = new double[values.size()];
        for (int i = 0; i < result.length; i++) {
            result[i] = Double.parseDouble(values.get(i).getAsString());
        }
        return result;
    }

    /** An array of whole numbers. */
    public static int[] ints(JsonElement array) {
        JsonArray values = array.getAsJsonArray();
        int[] result = new int[values.size()];
        for (int i = 0; i < result.length; i++) {
            result[i] = values.get(i).getAsInt();
        }
        return result;
    }

    /** An array of strings. */
    public static List<String> strings(JsonElement array) {
        List<String> result = new ArrayList<>();
        array.getAsJsonArray().forEach(element -> result.add(element.getAsString()));
        return result;
    }

    /** Rows of float32 numbers. */
    public static float[][] floatRows(JsonElement array) {
        JsonArray rows = array.getAsJsonArray();
        float[][] result = new float[rows.size()][];
        for (int i = 0; i < result.length; i++) {
            double[] row = doubles(rows.get(i));
            result[i] = new float[row.length];
            for (int k = 0; k < row.length; k++) {
                result[i][k] = (float) row[k];
            }
        }
        return result;
    }
}
