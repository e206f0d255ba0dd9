package org.yoloddp.report;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonObject;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.testing.Golden;
import org.yoloddp.train.EpochReport;

class ResultsCsvTest {

    private static final List<String> DETECTION = List.of("box_loss", "obj_loss", "cls_loss");

    @TempDir private Path folder;

    @Test
    void isTheOriginalsFile() throws IOException {
        JsonObject golden = Golden.json("results_csv.json");
        List<String> rows = Golden.strings(golden.get("rows"));
        ResultsCsv csv = new ResultsCsv(file());
        for (String row : rows) {
            EpochReport epoch = Reports.detection(values(row), true);
            csv.add(epoch.epoch(), ResultColumns.of(epoch, DETECTION));
        }
        String expected = golden.get("header").getAsString() + "\n" + String.join("\n", rows);
        assertThat(Files.readString(file())).isEqualTo(expected + "\n");
        try (var files = Files.list(folder)) {
            assertThat(files).containsExactly(file());
        }
    }

    @Test
    void printsValuesThatWereNotRoundedBefore() {
        double[] values = values(Golden.json("results_csv.json").get("last_row").getAsString());
        values[4] += 1e-8;
        EpochReport epoch = Reports.detection(values, true);
        new ResultsCsv(file()).add(29, ResultColumns.of(epoch, DETECTION));
        assertThat(file())
                .content()
                .endsWith(Golden.json("results_csv.json").get("last_row").getAsString() + "\n");
    }

    @Test
    void aDetectorHasAllColumnsWithoutAValidation() {
        EpochReport epoch =
                Reports.epoch(
                        3,
                        Map.of("box_loss", 0.5, "obj_loss", 0.25, "cls_loss", 1.0),
                        Map.of(),
                        false,
                        0.01,
                        0.02,
                        0.03);
        new ResultsCsv(file()).add(3, ResultColumns.of(epoch, DETECTION));
        assertThat(file())
                .content()
                .startsWith(Golden.json("results_csv.json").get("header").getAsString() + "\n")
                .endsWith(
                        cells(
                                "3", "0.5", "0.25", "1", "nan", "nan", "nan", "nan", "nan", "nan",
                                "nan", "0.01", "0.02", "0.03"));
    }

    @Test
    void anotherTaskHasItsOwnColumnsEvenIfTheyComeLate() {
        List<String> terms = List.of("cross entropy");
        Map<String, Double> metrics = new LinkedHashMap<>();
        metrics.put("accuracy", 0.75);
        metrics.put("val/cross entropy", 2.0);
        ResultsCsv csv = new ResultsCsv(file());
        Map<String, Double> losses = Map.of("cross entropy", 1e-6);
        csv.add(0, ResultColumns.of(Reports.epoch(0, losses, Map.of(), false, 0.1), terms));
        csv.add(1, ResultColumns.of(Reports.epoch(1, losses, metrics, true, 0.1), terms));
        assertThat(file())
                .content()
                .isEqualTo(
                        cells(
                                        "epoch",
                                        "train/cross entropy_loss",
                                        "x/lr0",
                                        "metrics/accuracy",
                                        "val/cross entropy_loss")
                                + cells("0", "1e-06", "0.1", "nan", "nan")
                                + cells("1", "1e-06", "0.1", "0.75", "2"));
    }

    private static String cells(String... cells) {
        return String.join(",", Arrays.stream(cells).map(cell -> CFormat.right(cell, 20)).toList())
                + "\n";
    }

    private static double[] values(String row) {
        return Arrays.stream(row.split(",")).mapToDouble(Double::parseDouble).toArray();
    }

    private Path file() {
        return folder.resolve("results.csv");
    }
}
