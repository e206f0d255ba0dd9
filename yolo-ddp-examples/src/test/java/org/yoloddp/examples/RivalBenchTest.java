package org.yoloddp.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.gson.Gson;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Wants an otherwise idle machine, and a Python with the rival's packages. */
@Tag("rival")
class RivalBenchTest {

    private static final String PYTHON = "YOLODDP_PYTHON";
    private static final Path CPU = Path.of("/proc/cpuinfo");

    private static String homeBefore = "";

    private final Output output = new Output();

    @BeforeAll
    static void useTheSourcesAsProgramFolder() {
        homeBefore = System.getProperty("yoloddp.home", "");
        System.setProperty("yoloddp.home", "src/main");
    }

    @AfterAll
    static void putBack() {
        System.setProperty("yoloddp.home", homeBefore);
    }

    @ParameterizedTest
    @CsvSource({"yolov5n, 320, 1.28, 1.65", "yolov5s, 320, 1.25, 2.0", "yolov5n, 640, 1.4, 2.2"})
    void stepIsFasterThanThatOfYoloV5AsShipped(
            String cfg, int imageSize, double float32, double bfloat16) throws IOException {
        Map<String, Double> ratios =
                ratiosToPython("step", "--cfg=" + cfg, "--imgsz=" + imageSize, "--amp=both");
        String name = cfg + ", " + imageSize + " px, batch 8, 2 threads, ";
        String shipped = " / YOLOv5 on PyTorch, as shipped";
        assertThat(ratios.get(name + "float32" + shipped))
                .as(output.out())
                .isGreaterThanOrEqualTo(float32);
        if (multipliesBfloat16()) {
            assertThat(ratios.get(name + "bfloat16" + shipped))
                    .as(output.out())
                    .isGreaterThanOrEqualTo(bfloat16);
        }
    }

    @Test
    void theTrainerCostsNextToNothing() {
        assertThat(ratios("overhead").values())
                .as(output.out())
                .singleElement()
                .satisfies(ratio -> assertThat(ratio).isGreaterThanOrEqualTo(1 / 1.015));
    }

    /** Ranks that are threads, or so many processes. */
    @ParameterizedTest
    @ValueSource(ints = {0, 2})
    void reducingCostsLittleMoreThanWaitingForEachOther(int processes) {
        Map<String, Double> ratios = ratios("scaling", "--processes=" + processes);
        ratios.forEach(
                (name, ratio) -> {
                    if (name.endsWith("full / barrier-only")) {
                        assertThat(ratio)
                                .as(output.out())
                                .isGreaterThanOrEqualTo(1 / (name.startsWith("mlp") ? 1.10 : 1.02));
                    }
                });
        assertThat(ratios).hasSize(4);
    }

    @Test
    void allReduceIsFasterThanThatOfGloo() {
        Map<String, Double> marks = new LinkedHashMap<>();
        marks.put("2 ranks, 1024 bytes, shared memory / gloo", 30.0);
        marks.put("2 ranks, 7500000 bytes, shared memory / gloo", 10.0);
        marks.put("2 ranks, 7500000 bytes, ordinary memory / gloo", 4.0);
        marks.put("2 ranks, 25000000 bytes, shared memory / gloo", 10.0);
        marks.put("2 ranks, 25000000 bytes, shared memory / memcpy", 0.5);
        marks.put("2 ranks, 25000000 bytes, ordinary memory / gloo", 4.0);
        marks.put("2 ranks, 25000000 bytes, loopback sockets / gloo", 1.3);
        Map<String, Double> ratios = ratiosToPython("allreduce");
        ratios.keySet().stream()
                .filter(name -> name.startsWith("4 ranks") && name.endsWith("gloo"))
                .forEach(name -> marks.put(name, 1.0));
        assertThat(marks).hasSize(7 + 3 * 6);
        assertThat(marks)
                .allSatisfy(
                        (name, mark) ->
                                assertThat(ratios.get(name))
                                        .as(output.out())
                                        .isGreaterThanOrEqualTo(mark));
    }

    /** Elsewhere mixed precision is emulated, and slower. */
    private static boolean multipliesBfloat16() throws IOException {
        String features = Files.isReadable(CPU) ? Files.readString(CPU) : "";
        return features.contains("avx512_bf16") || features.contains("amx_bf16");
    }

    private Map<String, Double> ratiosToPython(String bench, String... options) {
        String python = System.getenv(PYTHON);
        assumeTrue(python != null, "set " + PYTHON + " to a Python with the rival's packages");
        List<String> more = new ArrayList<>(List.of("--rival=python", "--python=" + python));
        more.addAll(List.of(options));
        return ratios(bench, more.toArray(String[]::new));
    }

    private Map<String, Double> ratios(String bench, String... options) {
        List<String> arguments = new ArrayList<>(List.of("bench", bench, "--json"));
        arguments.addAll(List.of(options));
        assertThat(output.run(arguments.toArray(String[]::new))).as(output.err()).isZero();
        JsonObject report = new Gson().fromJson(output.out(), JsonObject.class);
        Map<String, Double> ratios = new LinkedHashMap<>();
        for (JsonElement element : report.getAsJsonArray("rows")) {
            JsonObject row = element.getAsJsonObject();
            ratios.put(
                    row.get("case").getAsString() + " / " + row.get("rival").getAsString(),
                    row.get("ratio").getAsDouble());
        }
        return ratios;
    }
}
