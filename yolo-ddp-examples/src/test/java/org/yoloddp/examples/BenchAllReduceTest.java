package org.yoloddp.examples;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.Gson;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("process")
class BenchAllReduceTest {

    private final Output output = new Output();

    @Test
    void printsOneRowForEachWayOfExchange() {
        int exitCode =
                output.run(
                        "bench",
                        "allreduce",
                        "--nproc=2",
                        "--bytes=3000000",
                        "--turns=1",
                        "--warmup-seconds=0",
                        "--json");
        assertThat(exitCode).as(output.err()).isZero();
        JsonObject report = new Gson().fromJson(output.out(), JsonObject.class);
        assertThat(report.keySet()).containsExactly("bench", "versions", "rows");
        assertThat(report.get("bench").getAsString()).isEqualTo("allreduce");
        List<String> cases = new ArrayList<>();
        for (JsonElement row : report.getAsJsonArray("rows")) {
            cases.add(row.getAsJsonObject().get("case").getAsString());
            assertThat(row.getAsJsonObject().get("ours_ms").getAsDouble()).isPositive();
        }
        assertThat(cases)
                .containsExactly(
                        "2 ranks, 3000000 bytes, shared memory",
                        "2 ranks, 3000000 bytes, shared memory",
                        "2 ranks, 3000000 bytes, ordinary memory",
                        "2 ranks, 3000000 bytes, loopback sockets");
    }
}
