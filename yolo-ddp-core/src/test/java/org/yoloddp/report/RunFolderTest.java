package org.yoloddp.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.train.EpochReport;
import org.yoloddp.train.WeightsView;

class RunFolderTest {

    private static final double[] FIRST = {0, .1, .1, .1, .5, .5, .25, .125, 1, 1, 1, .1, .1, .1};
    private static final double[] SECOND = {1, .1, .1, .1, .5, .75, .5, .25, 1, 1, 1, .1, .1, .1};
    private static final double[] THIRD = {2, .1, .1, .1, .9, .5, .375, .25, 1, 1, 1, .1, .1, .1};

    @TempDir private Path folder;

    @Test
    void runsAreNumbered() throws IOException {
        Path project = folder.resolve("runs/train");
        assertThat(RunFolder.at(project).path()).isEqualTo(project.resolve("exp"));
        assertThat(RunFolder.at(project).path()).isEqualTo(project.resolve("exp2"));
        Files.createFile(project.resolve("exp3"));
        RunFolder fourth = RunFolder.at(project);
        assertThat(fourth.path()).isEqualTo(project.resolve("exp4")).isDirectory();
        assertThat(fourth.path()).isEqualTo(project.resolve("exp4"));
        assertThat(RunFolder.at(project).optName("big/bccd").path())
                .isEqualTo(project.resolve("big/bccd"));
        assertThat(RunFolder.at(project).optName("big/bccd").path())
                .isEqualTo(project.resolve("big/bccd2"));
    }

    @Test
    void anExistingFolderIsUsedAgainWhenAsked() {
        assertThat(RunFolder.at(folder).optExistOk(true).path()).isEqualTo(folder.resolve("exp"));
        assertThat(RunFolder.at(folder).optExistOk(true).path()).isEqualTo(folder.resolve("exp"));
    }

    @Test
    void nothingIsMadeBeforeTheTraining() {
        RunFolder.at(folder.resolve("runs")).optName("x");
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void holdsWhatTheContractNames() throws IOException {
        Map<String, Object> args = new LinkedHashMap<>();
        args.put("data", Path.of("bccd/data.yaml"));
        args.put("epochs", 3);
        args.put("cos_lr", false);
        args.put("resume", null);
        args.put("freeze", List.of(0, 1));
        RunFolder run =
                RunFolder.at(folder)
                        .optArgs(args)
                        .optHyperparameters(Map.of("lr0", 0.01))
                        .optSavePeriod(2);
        play(run);
        Path exp = folder.resolve("exp");
        assertThat(files(exp))
                .containsExactlyInAnyOrder(
                        "args.yaml",
                        "hyp.yaml",
                        "results.csv",
                        "summary.json",
                        "weights/last.safetensors",
                        "weights/best.safetensors",
                        "weights/epoch0.safetensors",
                        "weights/epoch2.safetensors",
                        "events");
        assertThat(exp.resolve("args.yaml"))
                .hasContent(
                        "data: bccd/data.yaml\nepochs: 3\ncos_lr: false\nresume: null\n"
                                + "freeze:\n- 0\n- 1\n");
        assertThat(exp.resolve("hyp.yaml")).hasContent("lr0: 0.01\n");
        assertThat(exp.resolve("results.csv")).content().hasLineCount(4);
        assertThat(exp.resolve("weights/last.safetensors")).hasContent("epoch 2");
        assertThat(exp.resolve("weights/best.safetensors")).hasContent("epoch 1");
    }

    @Test
    void withoutAValidationTheLastWeightsAreTheBest() {
        RunFolder run = RunFolder.at(folder);
        run.onStart(Reports.start("mse"));
        run.onEpoch(Reports.epoch(0, Map.of(), Map.of(), false), weights("epoch 0"));
        run.onEpoch(Reports.epoch(1, Map.of(), Map.of(), false), weights("epoch 1"));
        Path best = folder.resolve("exp/weights/best.safetensors");
        assertThat(best).hasContent("epoch 1");
        run.onEpoch(Reports.epoch(2, Map.of(), Map.of("mAP50", .5), true), weights("epoch 2"));
        run.onEpoch(Reports.epoch(3, Map.of(), Map.of(), false), weights("epoch 3"));
        assertThat(best).hasContent("epoch 2");
    }

    @Test
    void theSummaryIsForPrograms() throws IOException {
        play(RunFolder.at(folder));
        JsonObject summary =
                JsonParser.parseString(Files.readString(folder.resolve("exp/summary.json")))
                        .getAsJsonObject();
        assertThat(summary)
                .hasToString(
                        "{\"outcome\":\"completed\",\"worldSize\":2,\"epochs\":3,\"steps\":39,"
                                + "\"imagesPerSecond\":51.5,"
                                + "\"stepMillis\":{\"median\":310.0,\"p95\":340.25},"
                                + "\"commExposedMillis\":null,"
                                + "\"phaseMillis\":{\"dataWait\":1.5,\"forward\":120.0,"
                                + "\"backward\":160.0,\"commExposed\":null,"
                                + "\"optimizer\":12.0},"
                                + "\"skippedSteps\":3,\"lossScale\":8192.0,"
                                + "\"best\":{\"precision\":0.9,\"recall\":0.75,\"mAP50\":0.5,"
                                + "\"mAP50-95\":0.25},"
                                + "\"bestEpoch\":{\"epoch\":1,\"fitness\":0.5,"
                                + "\"metrics\":{\"precision\":0.5,\"recall\":0.75,\"mAP50\":0.5,"
                                + "\"mAP50-95\":0.25,\"val/box_loss\":1.0,\"val/obj_loss\":1.0,"
                                + "\"val/cls_loss\":1.0}},"
                                + "\"parametersSha256\":[\"aa\",\"aa\"],"
                                + "\"buffersSha256\":[\"bb\",\"bb\"]}");
    }

    @Test
    void theEventsAreTheLinesOfTheTable() throws IOException {
        play(RunFolder.at(folder));
        Path events;
        try (Stream<Path> files = Files.list(folder.resolve("exp"))) {
            events =
                    files.filter(file -> file.getFileName().toString().startsWith("events."))
                            .findFirst()
                            .orElseThrow();
        }
        List<TensorBoardEvents.Event> read = TensorBoardEvents.read(events);
        assertThat(read).extracting(TensorBoardEvents.Event::step).containsExactly(0L, 0L, 1L, 2L);
        assertThat(read.get(2).scalars())
                .hasSize(13)
                .containsEntry("metrics/mAP_0.5", 0.5f)
                .containsEntry("x/lr2", 0.1f);
    }

    @Test
    void aTrainingWithoutValidationHasNoBestEpoch() {
        assertThat(SummaryJson.of(Reports.training(Reports.epoch(0, Map.of(), Map.of(), false))))
                .contains("\"best\": {},", "\"bestEpoch\": null,");
    }

    @Test
    void aRunFolderThatCannotBeMadeIsReportedBeforeTheFirstStep() throws IOException {
        Path file = Files.createFile(folder.resolve("taken"));
        assertThatThrownBy(() -> RunFolder.at(file).onStart(Reports.detection()))
                .isExactlyInstanceOf(RunFolderException.class)
                .hasMessage(
                        "cannot create the run folder "
                                + file
                                + ": "
                                + file
                                + " is a file; choose a folder in which files can be created");
        assertThatThrownBy(
                        () ->
                                RunFolder.at(folder)
                                        .optName("taken")
                                        .optExistOk(true)
                                        .onStart(Reports.detection()))
                .hasMessage(
                        "cannot create the run folder "
                                + file
                                + ": "
                                + file
                                + " is a file; choose a folder in which files can be created");
    }

    @Test
    void aFileThatCannotBeWrittenIsReported() throws IOException {
        RunFolder run = RunFolder.at(folder).optExistOk(true);
        Path inTheWay = Files.createDirectories(folder.resolve("exp/args.yaml/x")).getParent();
        assertThatThrownBy(() -> run.onStart(Reports.detection()))
                .isExactlyInstanceOf(RunFolderException.class)
                .hasMessageStartingWith("cannot write " + inTheWay + " in the run folder: ")
                .hasMessageEndingWith(
                        "; check that the folder still exists, is writable and has space left");
    }

    @Test
    void servesOneTraining() {
        RunFolder run = RunFolder.at(folder);
        run.onStart(Reports.detection());
        run.onFailure(new IllegalStateException());
        assertThatThrownBy(() -> run.onStart(Reports.detection()))
                .isExactlyInstanceOf(RunFolderException.class)
                .hasMessage(
                        "the run folder "
                                + folder.resolve("exp")
                                + " belongs to a training already; make a new RunFolder for each"
                                + " training");
    }

    private static void play(RunFolder run) {
        EpochReport[] epochs = {
            Reports.detection(FIRST, true),
            Reports.detection(SECOND, true),
            Reports.detection(THIRD, false)
        };
        run.onStart(Reports.detection());
        for (EpochReport epoch : epochs) {
            run.onEpoch(epoch, weights("epoch " + epoch.epoch()));
        }
        run.onEnd(Reports.training(epochs));
    }

    private static WeightsView weights(String text) {
        return file -> {
            try {
                Files.writeString(file, text);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        };
    }

    private static List<String> files(Path run) throws IOException {
        try (Stream<Path> files = Files.walk(run)) {
            return files.filter(Files::isRegularFile)
                    .map(file -> run.relativize(file).toString().replace('\\', '/'))
                    .map(name -> name.startsWith("events.out.tfevents.") ? "events" : name)
                    .toList();
        }
    }
}
