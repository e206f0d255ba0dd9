package org.yoloddp.report;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeSet;
import jdk.jfr.consumer.RecordedEvent;
import org.yoloddp.events.BucketEvent;
import org.yoloddp.events.ExposedCommunicationEvent;

/**
 * Writes recorded events as a trace of Chrome, which ui.perfetto.dev opens: each rank has a lane
 * for what its thread does and one for its communication. Times are in microseconds since the first
 * event.
 *
 * <p>Buckets are queued when they are full and reduced one after the other; in its lane a bucket
 * begins where the one before it has ended, since slices of a lane mustn't overlap.
 */
final class TraceJson {

    private static final Gson GSON = new GsonBuilder().disableHtmlEscaping().create();
    private static final int PROCESS = 1;

    private final List<Map<String, Object>> trace = new ArrayList<>();
    private final Map<Integer, Instant> bucketsEnd = new HashMap<>();
    private final Instant origin;

    private TraceJson(Instant origin) {
        this.origin = origin;
    }

    static String of(List<RecordedEvent> events) {
        List<RecordedEvent> inOrder =
                events.stream()
                        .sorted(
                                Comparator.comparing(RecordedEvent::getStartTime)
                                        .thenComparing(
                                                RecordedEvent::getDuration,
                                                Comparator.reverseOrder()))
                        .toList();
        Instant origin = inOrder.isEmpty() ? Instant.EPOCH : inOrder.get(0).getStartTime();
        TraceJson json = new TraceJson(origin);
        json.lanes(inOrder);
        inOrder.forEach(json::add);
        Map<String, Object> root = new LinkedHashMap<>();
        root.put("displayTimeUnit", "ms");
        root.put("traceEvents", json.trace);
        return GSON.toJson(root) + "\n";
    }

    private void lanes(List<RecordedEvent> events) {
        describe("process_name", 0, Map.of("name", "yolo-ddp"));
        TreeSet<Integer> ranks = new TreeSet<>();
        events.forEach(event -> ranks.add(event.getInt("rank")));
        for (int rank : ranks) {
            lane(lane(rank, false), "rank " + rank);
            lane(lane(rank, true), "rank " + rank + " communication");
        }
    }

    private void lane(int lane, String name) {
        describe("thread_name", lane, Map.of("name", name));
        describe("thread_sort_index", lane, Map.of("sort_index", lane));
    }

    private void describe(String what, int lane, Map<String, ?> values) {
        Map<String, Object> entry = new LinkedHashMap<>();
        entry.put("name", what);
        entry.put("ph", "M");
        entry.put("pid", PROCESS);
        entry.put("tid", lane);
        entry.put("args", values);
        trace.add(entry);
    }

    private static int lane(int rank, boolean communication) {
        return 1 + 2 * rank + (communication ? 1 : 0);
    }

    private void add(RecordedEvent event) {
        String type = event.getEventType().getName();
        int rank = event.getInt("rank");
        Map<String, Object> details = new LinkedHashMap<>();
        details.put("step", event.getLong("step"));
        Instant from = event.getStartTime();
        String name = event.getEventType().getLabel().toLowerCase(Locale.ROOT);
        if (type.equals(BucketEvent.NAME)) {
            name = "bucket " + event.getInt("index");
            details.put("bytes", event.getLong("bytes"));
            Instant before = bucketsEnd.getOrDefault(rank, from);
            Instant queued = from;
            from = before.isAfter(from) ? before : from;
            details.put("queued_us", micros(queued, from));
            Instant end = event.getEndTime();
            bucketsEnd.put(rank, end.isAfter(before) ? end : before);
        } else if (type.equals(ExposedCommunicationEvent.NAME)) {
            details.put("of", event.getString("of"));
        }
        Map<String, Object> slice = new LinkedHashMap<>();
        slice.put("name", name);
        slice.put("cat", type.equals(BucketEvent.NAME) ? "communication" : "step");
        slice.put("ph", "X");
        slice.put("ts", micros(origin, from));
        slice.put("dur", Math.max(0, micros(from, event.getEndTime())));
        slice.put("pid", PROCESS);
        slice.put("tid", lane(rank, type.equals(BucketEvent.NAME)));
        slice.put("args", details);
        trace.add(slice);
    }

    private static double micros(Instant from, Instant to) {
        return Duration.between(from, to).toNanos() / 1e3;
    }
}
