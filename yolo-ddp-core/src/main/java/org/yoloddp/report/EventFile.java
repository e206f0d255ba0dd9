package org.yoloddp.report;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Clock;
import java.time.Instant;
import java.util.Locale;
import java.util.Map;
import java.util.zip.CRC32C;

/**
 * Scalars for TensorBoard: TFRecords of Event messages.
 *
 * <p>A record is an 8-byte length, its masked checksum, the message and its masked checksum. Each
 * call appends whole records and flushes them.
 */
final class EventFile implements AutoCloseable {

    private static final String VERSION = "brain.Event:2";

    // Event
    private static final int WALL_TIME = 1;
    private static final int STEP = 2;
    private static final int FILE_VERSION = 3;
    private static final int SUMMARY = 5;
    // Summary and Summary.Value
    private static final int VALUE = 1;
    private static final int TAG = 1;
    private static final int SIMPLE_VALUE = 2;

    private final Path file;
    private final Clock clock;
    private final OutputStream out;

    private EventFile(Path file, Clock clock) throws IOException {
        this.file = file;
        this.clock = clock;
        this.out =
                Files.newOutputStream(file, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }

    /** Opens a new file in the folder under a name that TensorBoard finds. */
    static EventFile create(Path folder, Clock clock) {
        String name =
                String.format(
                        Locale.ROOT,
                        "events.out.tfevents.%010d.yolo-ddp.%d",
                        clock.instant().getEpochSecond(),
                        ProcessHandle.current().pid());
        Path file = folder.resolve(name);
        try {
            EventFile events = new EventFile(file, clock);
            events.append(events.event().putString(FILE_VERSION, VERSION));
            return events;
        } catch (IOException e) {
            throw RunFolderException.cannotWrite(file, e);
        }
    }

    /** Appends the values of one step in one event; those that are NaN were not computed. */
    void add(long step, Map<String, Double> scalars) {
        ProtoMessage summary = new ProtoMessage();
        scalars.forEach(
                (tag, value) -> {
                    if (!value.isNaN()) {
                        summary.putMessage(
                                VALUE,
                                new ProtoMessage()
                                        .putString(TAG, tag)
                                        .putFloat(SIMPLE_VALUE, value.floatValue()));
                    }
                });
        try {
            append(event().putLong(STEP, step).putMessage(SUMMARY, summary));
        } catch (IOException e) {
            throw RunFolderException.cannotWrite(file, e);
        }
    }

    @Override
    public void close() {
        try {
            out.close();
        } catch (IOException e) {
            throw RunFolderException.cannotWrite(file, e);
        }
    }

    private ProtoMessage event() {
        Instant now = clock.instant();
        return new ProtoMessage().putDouble(WALL_TIME, now.getEpochSecond() + now.getNano() / 1e9);
    }

    private void append(ProtoMessage event) throws IOException {
        byte[] data = event.bytes();
        byte[] length = ProtoMessage.little(Long.BYTES).putLong(data.length).array();
        ByteBuffer record =
                ProtoMessage.little(length.length + data.length + 2 * Integer.BYTES)
                        .put(length)
                        .putInt(maskedChecksum(length))
                        .put(data)
                        .putInt(maskedChecksum(data));
        out.write(record.array());
        out.flush();
    }

    /** A checksum of data that holds its own checksum is weak, so TFRecord rotates it. */
    private static int maskedChecksum(byte[] data) {
        CRC32C crc = new CRC32C();
        crc.update(data);
        int value = (int) crc.getValue();
        return (value >>> 15 | value << 17) + 0xa282ead8;
    }
}
