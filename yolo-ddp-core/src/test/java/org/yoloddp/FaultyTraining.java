package org.yoloddp;

import ai.djl.ndarray.NDList;
import ai.djl.nn.Block;
import ai.djl.nn.LambdaBlock;
import ai.djl.nn.SequentialBlock;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.launch.ErrorFile;
import org.yoloddp.torch.TorchRuntime;

/**
 * A rank of a small training, to be launched: arguments are a folder, a fault, and the rank and the
 * step that it befalls. Each rank that throws leaves a file that says what, and how many
 * milliseconds after the fault.
 */
public final class FaultyTraining {

    private final Path folder;
    private final String fault;
    private final long faultStep;
    private long step;

    private FaultyTraining(Path folder, String fault, long faultStep) {
        this.folder = folder;
        this.fault = fault;
        this.faultStep = faultStep;
    }

    public static void main(String[] arguments) throws IOException {
        Path folder = Path.of(arguments[0]);
        String rank = System.getenv("RANK");
        String fault = rank.equals(arguments[2]) ? arguments[1] : "none";
        boolean again = !"0".equals(System.getenv("TORCHELASTIC_RESTART_COUNT"));
        FaultyTraining training =
                new FaultyTraining(folder, again ? "none" : fault, Long.parseLong(arguments[3]));
        TorchRuntime.start();
        try (Toy toy = new Toy();
                DistributedTrainer trainer =
                        toy.builder()
                                .setBlock(context -> training.block())
                                .setEpochs(again ? 2 : 100_000)
                                .optWorld(World.fromEnvironment())
                                .build()) {
            String hash = trainer.train().parametersSha256().toString();
            Files.writeString(folder.resolve("done." + rank), hash);
        } catch (RuntimeException e) {
            long now = System.currentTimeMillis();
            long since = now - Files.getLastModifiedTime(folder.resolve("fault")).toMillis();
            String what = e.getClass().getSimpleName();
            if (e instanceof RankFailedException failed) {
                what += " " + failed.rank() + " " + failed.pid();
            }
            Files.writeString(folder.resolve("noticed." + rank), since + " " + what);
            ErrorFile.write(e);
            System.err.println("error: " + e);
            System.exit(1);
        }
    }

    private Block block() {
        return new SequentialBlock()
                .add(
                        new LambdaBlock(
                                input -> {
                                    forward();
                                    return new NDList(input);
                                },
                                "fault"))
                .add(Toy.net());
    }

    private void forward() {
        if (++step != faultStep || fault.equals("none")) {
            return;
        }
        try {
            Files.createFile(folder.resolve("fault"));
            switch (fault) {
                case "kill" -> signal("KILL");
                case "stop" -> signal("STOP");
                case "exception" -> throw new IllegalStateException("the sample is broken");
                case "exit" -> System.exit(0);
                case "memory" -> throw new OutOfMemoryError("as if the heap were full");
                default -> throw new IllegalArgumentException(fault);
            }
        } catch (IOException | InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private static void signal(String name) throws IOException, InterruptedException {
        String pid = Long.toString(ProcessHandle.current().pid());
        Process kill = new ProcessBuilder("kill", "-" + name, pid).start();
        if (!kill.waitFor(30, TimeUnit.SECONDS)) {
            throw new IllegalStateException("kill hangs");
        }
    }
}
