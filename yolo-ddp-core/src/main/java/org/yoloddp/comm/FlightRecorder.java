package org.yoloddp.comm;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The last calls of one rank and how they stand, for the time when its world fails: {@link #dump}
 * shows them in the rank's own log, {@link #save} leaves them to the launcher, which puts those of
 * its ranks side by side. For communicators; thread-safe, and cheap enough for every call.
 */
public final class FlightRecorder {

    /** The environment variable with the file that the launcher reads. */
    public static final String VARIABLE = "YOLODDP_FLIGHT_FILE";

    private static final Logger LOG = LoggerFactory.getLogger(FlightRecorder.class);
    private static final int LENGTH = 64;
    private static final int SHOWN = 8;

    /** Where a rank is. */
    record Place(String phase, long step) {}

    private final int rank;
    private final @Nullable FlightRecord[] records = new FlightRecord[LENGTH];
    private long count;
    private boolean saved;
    private volatile Place place = new Place("", -1);

    /**
     * Creates a recorder.
     *
     * @param rank the rank's number in the world
     */
    public FlightRecorder(int rank) {
        this.rank = rank;
    }

    /**
     * Tells where the rank is, which is kept with each later call.
     *
     * @param phase what it is doing
     * @param step the step it is about to do
     */
    public void progress(String phase, long step) {
        place = new Place(phase, step);
    }

    /**
     * Keeps a call.
     *
     * @param call what the rank asks for
     * @return to be told how it goes on
     */
    public FlightRecord record(Fingerprint call) {
        FlightRecord record = new FlightRecord(call, place);
        synchronized (this) {
            records[(int) (count++ % LENGTH)] = record;
        }
        return record;
    }

    private synchronized List<FlightRecord> last(int most) {
        List<FlightRecord> last = new ArrayList<>();
        for (long i = Math.max(0, count - most); i < count; i++) {
            FlightRecord record = records[(int) (i % LENGTH)];
            if (record != null) {
                last.add(record);
            }
        }
        return last;
    }

    /**
     * Shows the rank's last calls.
     *
     * @return a line each, the latest last
     */
    public String dump() {
        List<FlightRecord> last = last(SHOWN);
        if (last.isEmpty()) {
            return "rank " + rank + ": before its first collective";
        }
        long now = System.nanoTime();
        StringBuilder text = new StringBuilder("rank " + rank + ":");
        last.forEach(record -> text.append("\n  ").append(record.describe(now)));
        return text.toString();
    }

    /**
     * Leaves the last calls in the file that the environment names in {@value #VARIABLE}, for the
     * launcher to merge; the first time counts. Does nothing without that variable. A file that
     * cannot be written is logged, since the failure matters more.
     */
    public void save() {
        save(System.getenv());
    }

    void save(Map<String, String> environment) {
        String name = environment.get(VARIABLE);
        synchronized (this) {
            if (saved || name == null || name.isBlank()) {
                return;
            }
            saved = true;
        }
        long now = System.nanoTime();
        List<String> lines = new ArrayList<>();
        for (FlightRecord record : last(LENGTH)) {
            Fingerprint call = record.call();
            lines.add(
                    String.join(
                            "\t",
                            word(call.group()),
                            call.operation().isMessage() ? "message" : "collective",
                            Long.toString(call.sequence()),
                            word(call.describe()),
                            word(record.place()),
                            record.state(now)));
        }
        try {
            Files.write(Path.of(name), lines, StandardCharsets.UTF_8);
        } catch (IOException e) {
            LOG.warn("cannot write {}, which {} names: {}", name, VARIABLE, e.toString());
        }
    }

    private static String word(String text) {
        return text.replaceAll("\\s", " ");
    }
}
