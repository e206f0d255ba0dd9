package org.yoloddp;

import ai.djl.ndarray.types.DataType;
import ai.djl.nn.Activation;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.launch.ErrorFile;
import org.yoloddp.torch.TorchRuntime;
import org.yoloddp.train.TrainingReport;

/**
 * A rank of a training whose gradients are more than one slice, to be launched: arguments are a
 * folder, the seed and the epochs, of four steps each. A rank leaves the hashes of all ranks'
 * parameters in {@code hashes.RANK}, or what it failed of in {@code failed.RANK}; rank 0 keeps the
 * number of steps done in {@code steps}.
 */
public final class HashedTraining {

    /** Bytes of the gradients: three slices of what ranks exchange at once. */
    static final long GRADIENT_BYTES =
            (3L * 512 + 513 * 320 + 321 * 2) * DataType.FLOAT32.getNumOfBytes();

    private HashedTraining() {}

    public static void main(String[] arguments) throws IOException {
        Path folder = Path.of(arguments[0]);
        String rank = System.getenv("RANK");
        try {
            TorchRuntime.start();
            List<String> hashes =
                    hashes(
                            World.fromEnvironment(),
                            Long.parseLong(arguments[1]),
                            Integer.parseInt(arguments[2]),
                            folder.resolve("steps"));
            Files.writeString(folder.resolve("hashes." + rank), hashes.toString());
        } catch (RuntimeException e) {
            String blamed = e instanceof RankFailedException failed ? " rank " + failed.rank() : "";
            Files.writeString(
                    folder.resolve("failed." + rank),
                    e.getClass().getSimpleName() + blamed + ": " + e.getMessage());
            ErrorFile.write(e);
            System.err.println("error: " + e);
            System.exit(1);
        }
    }

    /** Trains in the given world, the same everywhere. */
    static List<String> hashes(World world, long seed, int epochs, Path steps) {
        try (Toy toy = new Toy();
                DistributedTrainer trainer =
                        toy.builder()
                                .setBlock(
                                        context ->
                                                new SequentialBlock()
                                                        .add(Linear.builder().setUnits(512).build())
                                                        .add(Activation.reluBlock())
                                                        .add(Linear.builder().setUnits(320).build())
                                                        .add(Activation.reluBlock())
                                                        .add(Linear.builder().setUnits(2).build()))
                                .setEpochs(epochs)
                                .optSeed(seed)
                                .optWorld(world)
                                .addObserver(Toy.onStep(report -> tell(steps, report.step() + 1)))
                                .build()) {
            TrainingReport report = trainer.train();
            return report.parametersSha256();
        }
    }

    /** Whole at any moment for whoever reads it. */
    private static void tell(Path file, long steps) {
        try {
            Path next = file.resolveSibling("steps.next");
            Files.writeString(next, Long.toString(steps));
            Files.move(next, file, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
