package org.yoloddp.yolo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.util.Pair;
import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.DistributedTrainer;
import org.yoloddp.World;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.inprocess.InProcessCommunicator;
import org.yoloddp.detection.DetectionDataset;
import org.yoloddp.detection.SyntheticShapes;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.optim.ParameterGroup;
import org.yoloddp.testing.Golden;
import org.yoloddp.torch.TorchRuntime;
import org.yoloddp.train.Deadlines;
import org.yoloddp.train.RankContext;
import org.yoloddp.train.TrainingReport;
import org.yoloddp.train.TrainingTask;

@Tag("torch")
class YoloV5TaskTest {

    @TempDir Path folder;

    private DetectionDataset data;
    private NDManager manager;
    private RankContext rank;
    private Communicator communicator;

    @BeforeEach
    void start() {
        TorchRuntime.start();
        data = DetectionDataset.load(SyntheticShapes.write(folder.resolve("data"), 6, 3, 64, 9));
        manager = NDManager.newBaseManager(Device.cpu());
        communicator = InProcessCommunicator.group(1, Duration.ofSeconds(10)).get(0);
        rank =
                new RankContext(
                        0,
                        1,
                        0,
                        1,
                        Device.cpu(),
                        1,
                        5,
                        communicator,
                        manager,
                        Deadlines.defaults());
    }

    @AfterEach
    void stop() {
        communicator.close();
        manager.close();
    }

    @Test
    void parameterGroupsAreTheGoldenOnes() {
        TrainingTask task = YoloV5.task("yolov5n", data).optImageSize(64).build();

        List<ParameterGroup> groups = task.parameterGroups(task.createBlock(rank), 0.0005);

        JsonArray golden = Golden.json("model.json").getAsJsonArray("n_optimizer_groups");
        for (int i = 0; i < 3; i++) {
            JsonObject expected = golden.get(i).getAsJsonObject();
            assertThat(groups.get(i).parameters()).isEqualTo(Golden.strings(expected.get("names")));
            assertThat(groups.get(i).weightDecay())
                    .isEqualTo(expected.get("weight_decay").getAsDouble());
        }
    }

    @Test
    void initialWeightsAreSeededAndInPyTorchsRange() {
        TrainingTask task = YoloV5.task("yolov5n", data).optImageSize(64).build();
        Block one = task.createBlock(rank);
        Block two = task.createBlock(rank);

        double worst = 0;
        double offset = 0;
        for (Pair<String, Parameter> pair : one.getParameters()) {
            if (pair.getValue().getType() == Parameter.Type.WEIGHT) {
                float[] values = pair.getValue().getArray().toFloatArray();
                assertThat(two.getParameters().get(pair.getKey()).getArray().toFloatArray())
                        .isEqualTo(values);
                var shape = pair.getValue().getShape();
                double bound = 1 / Math.sqrt(shape.get(1) * shape.get(2) * shape.get(3));
                double squares = 0;
                for (float value : values) {
                    worst = Math.max(worst, Math.abs(value) / bound);
                    squares += value * value;
                }
                double spread = Math.sqrt(squares / values.length) / bound * Math.sqrt(3);
                offset = Math.max(offset, Math.abs(spread - 1));
            }
        }
        assertThat(worst).isBetween(0.999, 1.0);
        assertThat(offset).isLessThan(0.05);
        float[] bias = one.getParameters().get("model.24.m.0.bias").getArray().toFloatArray();
        assertThat((double) bias[4]).isBetween(-6.6846 - 0.125, -6.6846 + 0.125);
        assertThat((double) bias[5]).isBetween(-1.204 - 0.125, -1.204 + 0.125);
    }

    @Test
    void frozenLayersAreNotTrained() {
        Block block =
                YoloV5.task("yolov5n", data)
                        .optImageSize(64)
                        .optFreeze(0, 24)
                        .build()
                        .createBlock(rank);

        assertThat(
                        block.getParameters().stream()
                                .filter(p -> p.getValue().requiresGradient())
                                .map(Pair::getKey))
                .hasSize(177 - 3 - 6)
                .noneMatch(name -> name.startsWith("model.0.") || name.startsWith("model.24."));
    }

    @Test
    void mistakesAreRefused() {
        assertThatThrownBy(() -> YoloV5.task("yolov5n", data).optImageSize(100).build())
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "image size 100 is not a multiple of the model's stride 32, or less than two"
                                + " of it; take 128");
        assertThatThrownBy(
                        () -> YoloV5.task("yolov5n", data).optImageSize(64).optFreeze(25).build())
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("cannot freeze layer 25: yolov5n.yaml has layers 0 to 24");
    }

    @Test
    void trainsOnTwoRanksAndGoesOnFromItsOwnWeights() {
        Path file = folder.resolve("trained.safetensors");
        TrainingTask task = YoloV5.task("yolov5n", data).optImageSize(64).build();
        try (DistributedTrainer trainer =
                DistributedTrainer.builder()
                        .setTask(task)
                        .setEpochs(1)
                        .setBatchSize(4)
                        .optWorld(World.threads(2))
                        .build()) {
            TrainingReport report = trainer.train();
            assertThat(report.epochs()).hasSize(1);
            trainer.exportWeights(file);
        }

        YoloV5Weights weights = YoloV5Weights.read(file);
        assertThat(weights.names()).isEqualTo(SyntheticShapes.CLASSES);
        assertThat(weights.yaml()).contains(ModelYaml.load("yolov5n").withClasses(3));
        Block again =
                YoloV5.task("yolov5n", data)
                        .optImageSize(64)
                        .optWeights(file)
                        .build()
                        .createBlock(rank);
        for (Pair<String, Parameter> pair : again.getParameters()) {
            if (pair.getValue().getArray().getDataType().isFloating()) {
                assertThat(pair.getValue().getArray().toFloatArray())
                        .as(pair.getKey())
                        .isEqualTo(weights.tensors().get(pair.getKey()).floats());
            }
        }
    }
}
