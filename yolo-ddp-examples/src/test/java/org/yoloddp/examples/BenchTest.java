package org.yoloddp.examples;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.Gson;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

/** Benchmarks at their smallest; what they find means nothing here. */
@Tag("torch")
@Timeout(120)
class BenchTest {

    private final Output output = new Output();

    @Test
    void overheadComparesTheTrainerWithALoopByHand() {
        List<JsonObject> rows =
                rows(
                        "overhead",
                        "--imgsz=64",
                        "--batch=1",
                        "--threads=1",
                        "--turns=2",
                        "--steps=1");
        assertThat(rows).hasSize(1);
        assertThat(text(rows.get(0), "case"))
                .isEqualTo("yolov5n, 64 px, batch 1, 1 threads, float32, trainer");
        assertThat(text(rows.get(0), "rival")).isEqualTo("loop by hand");
        assertThat(rows.get(0).get("ratio").getAsDouble()).isPositive();
    }

    @Test
    void scalingComparesRanksThatReduceWithThoseThatOnlyWait() {
        List<JsonObject> rows =
                rows(
                        "scaling",
                        "--models=mlp,yolov5n",
                        "--imgsz=64",
                        "--batch=1",
                        "--mlp-width=32",
                        "--mlp-layers=2",
                        "--mlp-batch=4",
                        "--blocks=2",
                        "--steps=1",
                        "--warmup=1",
                        "--warmup-seconds=0");
        assertThat(rows)
                .extracting(row -> text(row, "case") + " / " + text(row, "rival"))
                .containsExactly(
                        "mlp of 0.0 MB, batch 4, 2 ranks, full / barrier-only",
                        "mlp of 0.0 MB, batch 4, 2 ranks, full / independent",
                        "yolov5n, 64 px, batch 1, 2 ranks, full / barrier-only",
                        "yolov5n, 64 px, batch 1, 2 ranks, full / independent");
    }

    @Test
    @Tag("process")
    void scalingOfProcessesComparesTheSame() {
        List<JsonObject> rows =
                rows(
                        "scaling",
                        "--processes=2",
                        "--models=mlp",
                        "--mlp-width=32",
                        "--mlp-layers=2",
                        "--mlp-batch=4",
                        "--blocks=1",
                        "--steps=1",
                        "--warmup=1",
                        "--warmup-seconds=0");
        assertThat(rows)
                .extracting(row -> text(row, "case") + " / " + text(row, "rival"))
                .containsExactly(
                        "mlp of 0.0 MB, batch 4, 2 processes, full / barrier-only",
                        "mlp of 0.0 MB, batch 4, 2 processes, full / independent");
        assertThat(rows.get(0).get("ours_ms").getAsDouble()).isPositive();
    }

    @Test
    void aSlowLineCostsLessWhereItOverlaps() {
        List<JsonObject> rows =
                rows(
                        "overlap",
                        "--models=mlp",
                        "--mlp-width=32",
                        "--mlp-layers=3",
                        "--mlp-batch=4",
                        "--delay-ms=5",
                        "--blocks=1",
                        "--steps=2",
                        "--warmup=2",
                        "--warmup-seconds=0");
        assertThat(rows)
                .extracting(row -> text(row, "case") + " / " + text(row, "rival"))
                .containsExactly(
                        "mlp of 0.0 MB, batch 4, 2 ranks, 5 ms more per bucket, overlap on"
                                + " / overlap off",
                        "mlp of 0.0 MB, batch 4, 2 ranks, 5 ms more per bucket, overlap on"
                                + " / independent");
        assertThat(rows.get(0).get("ours_ms").getAsDouble()).isGreaterThan(5);
    }

    @Test
    @EnabledOnOs(value = OS.LINUX, disabledReason = "other systems don't tell a process's memory")
    void memoryIsThatOfTheProcess() {
        List<JsonObject> rows =
                rows("memory", "--imgsz=64", "--batch=1", "--nproc=2", "--turns=1", "--steps=1");
        assertThat(rows)
                .extracting(row -> text(row, "case"))
                .containsExactly(
                        "yolov5n, 64 px, batch 1, 2 ranks",
                        "yolov5n, 64 px, batch 1, 2 ranks, sharded");
        for (JsonObject row : rows) {
            JsonObject memory = row.getAsJsonObject("ours_mb");
            assertThat(memory.keySet())
                    .containsExactly("before", "faulted", "heap", "peak", "resident");
            assertThat(memory.get("peak").getAsDouble())
                    .isGreaterThanOrEqualTo(memory.get("resident").getAsDouble())
                    .isGreaterThan(memory.get("before").getAsDouble());
        }
    }

    private List<JsonObject> rows(String bench, String... options) {
        List<String> arguments = new ArrayList<>(List.of("bench", bench));
        arguments.addAll(List.of(options));
        arguments.add("--json");
        assertThat(output.run(arguments.toArray(String[]::new))).as(output.err()).isZero();
        JsonObject report = new Gson().fromJson(output.out(), JsonObject.class);
        assertThat(report.keySet()).containsExactly("bench", "versions", "rows");
        assertThat(text(report, "bench")).isEqualTo(bench);
        assertThat(report.getAsJsonObject("versions").keySet()).contains("yolo-ddp", "libtorch");
        JsonArray array = report.getAsJsonArray("rows");
        List<JsonObject> rows = new ArrayList<>();
        for (JsonElement row : array) {
            assertThat(row.getAsJsonObject().keySet())
                    .startsWith("case", "ours_ms", "rival", "rival_ms", "ratio");
            rows.add(row.getAsJsonObject());
        }
        return rows;
    }

    private static String text(JsonObject object, String name) {
        return object.get(name).getAsString();
    }
}
