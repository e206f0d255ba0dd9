package org.yoloddp;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.yoloddp.detection.DetectionDataset;
import org.yoloddp.launch.ErrorFile;
import org.yoloddp.torch.TorchRuntime;
import org.yoloddp.yolo.YoloV5;

/**
 * A rank of some trainings, one after the other, to be launched: arguments are a folder, the data
 * set for yolov5n or {@link #MLP}, and a seed for each training. The rank leaves the hashes of all
 * ranks' parameters in {@code SEED.RANK}.
 */
public final class HashedTrainings {

    /** In place of a data set: trains a multilayer perceptron. */
    static final String MLP = "mlp";

    private static final int EPOCHS = 5;

    private HashedTrainings() {}

    public static void main(String[] arguments) throws IOException {
        Path folder = Files.createDirectories(Path.of(arguments[0]));
        String rank = System.getenv("RANK");
        try {
            TorchRuntime.start();
            for (String seed : List.of(arguments).subList(2, arguments.length)) {
                long number = Long.parseLong(seed);
                List<String> hashes =
                        arguments[1].equals(MLP)
                                ? HashedTraining.hashes(
                                        World.fromEnvironment(),
                                        number,
                                        EPOCHS,
                                        folder.resolve("steps"))
                                : yolo(Path.of(arguments[1]), number);
                Files.write(folder.resolve(seed + "." + rank), hashes);
            }
        } catch (RuntimeException e) {
            ErrorFile.write(e);
            System.err.println("error: " + e);
            System.exit(1);
        }
    }

    /** All that YOLO brings: buffers to broadcast, losses by term, validation, averaged weights. */
    private static List<String> yolo(Path data, long seed) {
        try (DistributedTrainer trainer =
                DistributedTrainer.builder()
                        .setTask(
                                YoloV5.task("yolov5n", DetectionDataset.load(data))
                                        .optImageSize(64)
                                        .build())
                        .setEpochs(2)
                        .setBatchSize(8)
                        .optSeed(seed)
                        .optThreadsPerRank(1)
                        .optWorld(World.fromEnvironment())
                        .build()) {
            return trainer.train().parametersSha256();
        }
    }
}
