package org.yoloddp.report;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.util.List;
import jdk.jfr.consumer.RecordedEvent;
import org.junit.jupiter.api.Test;
import org.yoloddp.events.BucketEvent;
import org.yoloddp.events.ForwardEvent;
import org.yoloddp.events.RankEvent;

class TraceJsonTest {

    @Test
    void bucketsThatWereQueuedTogetherFollowEachOther() throws IOException {
        List<RecordedEvent> events;
        try (StepRecording recording = new StepRecording()) {
            RankEvent first = begin(new BucketEvent(0, 100), 1, 4);
            RankEvent second = begin(new BucketEvent(1, 200), 1, 4);
            commit(begin(new ForwardEvent(), 0, 3));
            commit(first);
            commit(second);
            events = recording.events(4, 4);
        }
        assertThat(events).hasSize(2);
        JsonArray trace =
                JsonParser.parseString(TraceJson.of(events))
                        .getAsJsonObject()
                        .getAsJsonArray("traceEvents");
        JsonObject before = trace.get(trace.size() - 2).getAsJsonObject();
        JsonObject after = trace.get(trace.size() - 1).getAsJsonObject();
        assertThat(before.get("name").getAsString()).isEqualTo("bucket 0");
        assertThat(before.get("ts").getAsDouble()).isZero();
        assertThat(before.getAsJsonObject("args").get("bytes").getAsLong()).isEqualTo(100);
        assertThat(after.get("name").getAsString()).isEqualTo("bucket 1");
        assertThat(after.get("tid").getAsInt()).isEqualTo(4);
        assertThat(after.get("ts").getAsDouble())
                .isEqualTo(before.get("dur").getAsDouble())
                .isPositive();
        assertThat(after.getAsJsonObject("args").get("queued_us").getAsDouble()).isPositive();
    }

    private static RankEvent begin(RankEvent event, int rank, long step) {
        event.at(rank, step);
        event.begin();
        return event;
    }

    private static void commit(RankEvent event) {
        event.end();
        event.commit();
    }
}
