package org.yoloddp.torch;

import com.google.gson.JsonParseException;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;
import java.io.IOException;
import java.io.StringReader;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Reads and checks the header; nothing is believed that the length of the file does not bear out.
 */
final class SafetensorsHeader {

    /** As the format's own implementation. */
    static final long MAX_LENGTH = 100_000_000;

    final Map<String, SafetensorsFile.Info> tensors = new LinkedHashMap<>();
    final Map<String, String> metadata = new LinkedHashMap<>();

    private final String file;

    private SafetensorsHeader(String file) {
        this.file = file;
    }

    /**
     * Parses a header.
     *
     * @param dataLength bytes that follow it, or -1 if not known
     */
    static SafetensorsHeader parse(String file, String json, long dataLength) {
        SafetensorsHeader header = new SafetensorsHeader(file);
        // its default strictness accepts what no writer writes (duplicate names are checked here)
        try (JsonReader reader = new JsonReader(new StringReader(json))) {
            header.read(reader);
            if (reader.peek() != JsonToken.END_DOCUMENT) {
                throw header.damaged("there is something after the header's object");
            }
        } catch (IOException
                | IllegalStateException
                | NumberFormatException
                | JsonParseException e) {
            throw header.damaged("its header is not the JSON expected: " + e.getMessage());
        }
        header.checkLayout(dataLength);
        return header;
    }

    long dataLength() {
        return tensors.values().stream().mapToLong(SafetensorsFile.Info::end).max().orElse(0);
    }

    private void read(JsonReader reader) throws IOException {
        reader.beginObject();
        while (reader.hasNext()) {
            String name = reader.nextName();
            if (name.equals("__metadata__")) {
                reader.beginObject();
                while (reader.hasNext()) {
                    metadata.put(reader.nextName(), reader.nextString());
                }
                reader.endObject();
            } else if (tensors.put(name, tensor(reader, name)) != null) {
                throw damaged("it has two tensors " + name);
            }
        }
        reader.endObject();
    }

    private SafetensorsFile.Info tensor(JsonReader reader, String name) throws IOException {
        SafetensorsFile.@Nullable Type type = null;
        List<Long> shape = null;
        List<Long> offsets = null;
        reader.beginObject();
        while (reader.hasNext()) {
            switch (reader.nextName()) {
                case "dtype" -> type = type(name, reader.nextString());
                case "shape" -> shape = numbers(reader);
                case "data_offsets" -> offsets = numbers(reader);
                default -> reader.skipValue();
            }
        }
        reader.endObject();
        if (type == null || shape == null || offsets == null || offsets.size() != 2) {
            throw damaged("tensor " + name + " lacks a type, a shape or two offsets");
        }
        long begin = offsets.get(0);
        long end = offsets.get(1);
        if (begin < 0 || end < begin) {
            throw damaged("tensor " + name + " has the offsets " + offsets);
        }
        long bytes = bytes(name, type, shape);
        if (end - begin != bytes) {
            throw damaged(
                    ("tensor " + name + " of shape " + shape + " and type " + type)
                            + (" needs " + bytes + " bytes, not " + (end - begin)));
        }
        return new SafetensorsFile.Info(
                type, shape.stream().mapToLong(Long::longValue).toArray(), begin, end);
    }

    private long bytes(String name, SafetensorsFile.Type type, List<Long> shape) {
        long bytes = type.bytes();
        try {
            for (long size : shape) {
                if (size < 0) {
                    throw damaged("tensor " + name + " has the shape " + shape);
                }
                bytes = Math.multiplyExact(bytes, size);
            }
        } catch (ArithmeticException e) {
            throw damaged("tensor " + name + " has the shape " + shape);
        }
        return bytes;
    }

    private static List<Long> numbers(JsonReader reader) throws IOException {
        List<Long> numbers = new ArrayList<>();
        reader.beginArray();
        while (reader.hasNext()) {
            numbers.add(reader.nextLong());
        }
        reader.endArray();
        return numbers;
    }

    private SafetensorsFile.Type type(String name, String text) {
        for (SafetensorsFile.Type type : SafetensorsFile.Type.values()) {
            if (type.name().equals(text)) {
                return type;
            }
        }
        throw damaged("tensor " + name + " is of the unknown type " + text);
    }

    /** The tensors must fill the data without gaps and without sharing a byte. */
    private void checkLayout(long dataLength) {
        List<Map.Entry<String, SafetensorsFile.Info>> sorted = new ArrayList<>(tensors.entrySet());
        sorted.sort(
                Comparator.comparingLong(
                                (Map.Entry<String, SafetensorsFile.Info> e) -> e.getValue().begin())
                        .thenComparingLong(e -> e.getValue().end()));
        long at = 0;
        for (Map.Entry<String, SafetensorsFile.Info> entry : sorted) {
            if (entry.getValue().begin() != at) {
                throw damaged(
                        "tensor "
                                + entry.getKey()
                                + " begins at byte "
                                + entry.getValue().begin()
                                + " of the data, where "
                                + at
                                + " was expected (tensors overlap, or leave a gap)");
            }
            at = entry.getValue().end();
        }
        if (dataLength >= 0 && at != dataLength) {
            throw damaged("its tensors need " + at + " bytes of data, and it has " + dataLength);
        }
    }

    private SafetensorsException damaged(String why) {
        return SafetensorsException.damaged(file, why);
    }
}
