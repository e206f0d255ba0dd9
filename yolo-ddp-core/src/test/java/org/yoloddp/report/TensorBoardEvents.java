package org.yoloddp.report;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Reads event files from the description of the format, sharing nothing with the writer. */
final class TensorBoardEvents {

    private TensorBoardEvents() {}

    record Event(double wallTime, long step, String fileVersion, Map<String, Float> scalars) {}

    static List<Event> read(Path file) throws IOException {
        ByteBuffer in = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
        List<Event> events = new ArrayList<>();
        while (in.hasRemaining()) {
            byte[] length = take(in, 8);
            assertThat(in.getInt()).isEqualTo(masked(length));
            int size =
                    Math.toIntExact(
                            ByteBuffer.wrap(length).order(ByteOrder.LITTLE_ENDIAN).getLong());
            byte[] data = take(in, size);
            assertThat(in.getInt()).isEqualTo(masked(data));
            events.add(event(ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN)));
        }
        return events;
    }

    private static Event event(ByteBuffer in) {
        double wallTime = Double.NaN;
        long step = 0;
        String version = "";
        Map<String, Float> scalars = new LinkedHashMap<>();
        while (in.hasRemaining()) {
            long key = varint(in);
            switch ((int) key) {
                case 1 << 3 | 1 -> wallTime = in.getDouble();
                case 2 << 3 -> step = varint(in);
                case 3 << 3 | 2 -> version = text(in);
                case 5 << 3 | 2 -> summary(message(in), scalars);
                default -> throw new AssertionError("field key " + key + " in an event");
            }
        }
        return new Event(wallTime, step, version, scalars);
    }

    private static void summary(ByteBuffer in, Map<String, Float> scalars) {
        while (in.hasRemaining()) {
            assertThat(varint(in)).isEqualTo(1 << 3 | 2);
            ByteBuffer value = message(in);
            assertThat(varint(value)).isEqualTo(1 << 3 | 2);
            String tag = text(value);
            assertThat(varint(value)).isEqualTo(2 << 3 | 5);
            scalars.put(tag, value.getFloat());
            assertThat(value.hasRemaining()).isFalse();
        }
    }

    private static ByteBuffer message(ByteBuffer in) {
        return ByteBuffer.wrap(take(in, Math.toIntExact(varint(in))))
                .order(ByteOrder.LITTLE_ENDIAN);
    }

    private static String text(ByteBuffer in) {
        return new String(take(in, Math.toIntExact(varint(in))), StandardCharsets.UTF_8);
    }

    private static long varint(ByteBuffer in) {
        long value = 0;
        for (int shift = 0; ; shift += 7) {
            byte part = in.get();
            value |= (long) (part & 0x7f) << shift;
            if (part >= 0) {
                return value;
            }
        }
    }

    private static byte[] take(ByteBuffer in, int length) {
        byte[] bytes = new byte[length];
        in.get(bytes);
        return bytes;
    }

    /** CRC-32C bit by bit (reflected polynomial 82F63B78), rotated right by 15 and offset. */
    private static int masked(byte[] data) {
        int crc = -1;
        for (byte part : data) {
            crc ^= part & 0xff;
            for (int bit = 0; bit < 8; bit++) {
                crc = crc >>> 1 ^ ((crc & 1) == 0 ? 0 : 0x82f63b78);
            }
        }
        return Integer.rotateRight(~crc, 15) + 0xa282ead8;
    }
}
