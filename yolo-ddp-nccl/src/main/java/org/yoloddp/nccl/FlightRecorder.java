package org.yoloddp.nccl;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import org.yoloddp.comm.Fingerprint;

/** The last calls of a rank and how they stand, for the log when the world fails. */
final class FlightRecorder {

    private static final int LENGTH = 64;
    private static final int SHOWN = 8;
    private final int rank;
    private final Deque<FlightRecord> records = new ArrayDeque<>();

    FlightRecorder(int rank) {
        this.rank = rank;
    }

    synchronized FlightRecord record(Fingerprint call, String place) {
        if (records.size() == LENGTH) {
            records.removeFirst();
        }
        FlightRecord record = new FlightRecord(call, place);
        records.addLast(record);
        return record;
    }

    /** The rank's last calls, a line each, the latest last. */
    String dump() {
        List<FlightRecord> last;
        synchronized (this) {
            last = new ArrayList<>(records);
        }
        if (last.isEmpty()) {
            return "rank " + rank + ": before its first collective";
        }
        long now = System.nanoTime();
        StringBuilder text = new StringBuilder("rank " + rank + ":");
        for (FlightRecord record : last.subList(Math.max(0, last.size() - SHOWN), last.size())) {
            text.append("\n  ").append(record.describe(now));
        }
        return text.toString();
    }
}
