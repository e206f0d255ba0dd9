package org.yoloddp.examples;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.Gson;
import com.google.gson.JsonObject;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("torch")
class BenchStepTest {

    private final Output output = new Output();

    @Test
    void printsOneJsonObject() {
        int exitCode =
                output.run(
                        "bench",
                        "step",
                        "--imgsz=64",
                        "--batch=1",
                        "--threads=1",
                        "--turns=1",
                        "--steps=1",
                        "--json");
        assertThat(exitCode).as(output.err()).isZero();
        JsonObject report = new Gson().fromJson(output.out(), JsonObject.class);
        assertThat(report.keySet()).containsExactly("bench", "versions", "rows");
        assertThat(report.get("bench").getAsString()).isEqualTo("step");
        JsonObject row = report.getAsJsonArray("rows").get(0).getAsJsonObject();
        assertThat(row.keySet()).containsExactly("case", "ours_ms", "rival", "rival_ms", "ratio");
        assertThat(row.get("case").getAsString())
                .isEqualTo("yolov5n, 64 px, batch 1, 1 threads, float32");
        assertThat(row.get("ours_ms").getAsDouble()).isPositive();
        assertThat(row.get("rival").isJsonNull()).isTrue();
    }

    @Test
    void bothPrecisionsTakeTurns() {
        int exitCode =
                output.run(
                        "bench",
                        "step",
                        "--imgsz=64",
                        "--batch=1",
                        "--threads=1",
                        "--turns=2",
                        "--steps=1",
                        "--amp=both");
        assertThat(exitCode).as(output.err()).isZero();
        assertThat(output.out().lines())
                .satisfiesExactly(
                        line ->
                                assertThat(line)
                                        .startsWith(
                                                "yolov5n, 64 px, batch 1, 1 threads, float32: "),
                        line ->
                                assertThat(line)
                                        .startsWith(
                                                "yolov5n, 64 px, batch 1, 1 threads, bfloat16: "));
    }

    @Test
    void benchNeedsAName() {
        assertThat(output.run("bench")).isEqualTo(2);
        assertThat(output.errLines())
                .containsExactly(
                        "error: ParameterException: There is no benchmark; give one of those that"
                                + " --help lists; 'yolo-ddp bench --help' lists the options");
    }
}
