package org.yoloddp.examples;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.detection.SyntheticShapes;

/** Trains on a few small images, and goes on from what that leaves. */
@Tag("torch")
class CommandsTest {

    @TempDir private static Path folder;

    private static final Output TRAINING = new Output();
    private static Path data;
    private static int exitCode;

    private final Output output = new Output();

    @BeforeAll
    static void train() {
        data = SyntheticShapes.write(folder.resolve("shapes"), 8, 4, 64, 0);
        exitCode =
                TRAINING.run(
                        "train",
                        "--data=" + data,
                        "--imgsz=64",
                        "--epochs=2",
                        "--batch-size=4",
                        "--nproc=2",
                        "--sync-bn",
                        "--timeline=" + folder.resolve("timeline.json"),
                        "--timeline-steps=1-2",
                        "--project=" + folder.resolve("train"));
    }

    @Test
    void trainingLeavesARunFolder() throws IOException {
        assertThat(TRAINING.err()).isEmpty();
        assertThat(exitCode).isZero();
        Path run = folder.resolve("train/exp");
        assertThat(run.resolve("args.yaml"))
                .content()
                .contains("batch_size: 4", "nproc: 2", "sync_bn: true");
        assertThat(run.resolve("hyp.yaml")).content().contains("lr0: 0.01");
        assertThat(run.resolve("results.csv")).content().hasLineCount(3);
        assertThat(run.resolve("summary.json")).content().contains("parametersSha256");
        assertThat(run.resolve("results.png")).isNotEmptyFile();
        assertThat(run.resolve("weights/last.safetensors")).isNotEmptyFile();
        assertThat(run.resolve("weights/best.safetensors")).isNotEmptyFile();
        try (Stream<Path> files = Files.list(run)) {
            assertThat(files.map(file -> file.getFileName().toString()))
                    .anyMatch(name -> name.startsWith("events.out.tfevents."));
        }
    }

    @Test
    void trainingTellsWhatItDoes() {
        assertThat(TRAINING.out())
                .contains(
                        "8 images to train on, 4 to validate on, classes circle, square, triangle",
                        "2 ranks,",
                        "epoch 1/2 box_loss ",
                        "epoch 2/2 box_loss ",
                        "mAP50-95",
                        "done after 2 epochs",
                        "results in " + folder.resolve("train/exp"));
    }

    @Test
    void theTimelineShowsItsSteps() throws IOException {
        Set<Integer> steps = new TreeSet<>();
        JsonParser.parseString(Files.readString(folder.resolve("timeline.json")))
                .getAsJsonObject()
                .getAsJsonArray("traceEvents")
                .forEach(
                        entry -> {
                            JsonObject slice = entry.getAsJsonObject();
                            if (slice.get("ph").getAsString().equals("X")) {
                                steps.add(slice.getAsJsonObject("args").get("step").getAsInt());
                            }
                        });
        assertThat(steps).containsExactly(1, 2);
    }

    @Test
    void stepsOfATimelineThatAreNoneAreWrongUse() {
        assertThat(output.run("train", "--data=" + data, "--timeline-steps=10")).isEqualTo(2);
        assertThat(output.errLines())
                .containsExactly(
                        "error: ConfigurationException: --timeline-steps is '10', but it has to be"
                                + " two numbers such as 10-20");
    }

    @Test
    void validationPrintsATableByClass() {
        assertThat(output.run("val", "--data=" + data, "--weights=" + weights(), "--imgsz=64"))
                .as(output.err())
                .isZero();
        assertThat(output.out().lines())
                .satisfiesExactlyInAnyOrder(
                        line -> assertThat(line).startsWith("class"),
                        line -> assertThat(line).startsWith("all "),
                        line -> assertThat(line).startsWith("circle "),
                        line -> assertThat(line).startsWith("square "),
                        line -> assertThat(line).startsWith("triangle "));
    }

    @Test
    void detectionDrawsEveryImage() {
        Path images = data.resolveSibling("images").resolve("val");
        Path runs = folder.resolve("detect");
        assertThat(
                        output.run(
                                "detect",
                                "--weights=" + weights(),
                                "--source=" + images,
                                "--imgsz=64",
                                "--conf-thres=0.0001",
                                "--save-txt",
                                "--project=" + runs))
                .as(output.err())
                .isZero();
        assertThat(runs.resolve("exp/shapes00003.png")).isNotEmptyFile();
        assertThat(runs.resolve("exp/labels/shapes00003.txt")).isRegularFile();
        assertThat(output.out()).endsWith("results in " + runs.resolve("exp") + "\n");
    }

    @Test
    void weightsForOtherClassesAreRefused() throws IOException {
        Path other = Files.createDirectories(folder.resolve("other"));
        Path yaml =
                Files.writeString(
                        other.resolve("data.yaml"),
                        Files.readString(data)
                                .replace("images/", data.resolveSibling("images") + "/")
                                .replace("[circle, square, triangle]", "[a, b, c, d]"));
        assertThat(output.run("val", "--data=" + yaml, "--weights=" + weights(), "--imgsz=64"))
                .isEqualTo(2);
        assertThat(output.errLines())
                .containsExactly(
                        "error: ConfigurationException: "
                                + yaml
                                + " has the classes [a, b, c, d], but "
                                + weights()
                                + " was trained for [circle, square, triangle]");
    }

    @Test
    void missingDataIsAFailure() {
        assertThat(output.run("train", "--data=" + folder.resolve("nowhere.yaml"))).isEqualTo(1);
        assertThat(output.errLines()).hasSize(1);
        assertThat(output.err()).startsWith("error: DatasetException: ").contains("nowhere.yaml");
    }

    @Test
    void batchThatRanksCannotShareIsWrongUse() {
        assertThat(output.run("train", "--data=" + data, "--batch-size=5", "--nproc=2"))
                .isEqualTo(2);
        assertThat(output.errLines()).hasSize(1);
        assertThat(output.err()).startsWith("error: ConfigurationException: ").contains("5");
    }

    @Test
    void unknownDeviceIsWrongUse() {
        assertThat(output.run("train", "--data=" + data, "--device=99")).isEqualTo(2);
        assertThat(output.errLines())
                .singleElement()
                .asString()
                .startsWith("error: ConfigurationException: GPU 99 is asked for, but ");
    }

    private static Path weights() {
        return folder.resolve("train/exp/weights/best.safetensors");
    }
}
