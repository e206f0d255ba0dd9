package org.yoloddp;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.yoloddp.launch.ErrorFile;
import org.yoloddp.torch.TorchRuntime;

/**
 * A rank of some trainings, one after the other, to be launched: arguments are a folder and a seed
 * for each. The rank leaves the hashes of all ranks' parameters in {@code SEED.RANK}.
 */
public final class HashedTrainings {

    private static final int EPOCHS = 5;

    private HashedTrainings() {}

    public static void main(String[] arguments) throws IOException {
        Path folder = Files.createDirectories(Path.of(arguments[0]));
        String rank = System.getenv("RANK");
        try {
            TorchRuntime.start();
            for (String seed : List.of(arguments).subList(1, arguments.length)) {
                List<String> hashes =
                        HashedTraining.hashes(
                                World.fromEnvironment(),
                                Long.parseLong(seed),
                                EPOCHS,
                                folder.resolve("steps"));
                Files.write(folder.resolve(seed + "." + rank), hashes);
            }
        } catch (RuntimeException e) {
            ErrorFile.write(e);
            System.err.println("error: " + e);
            System.exit(1);
        }
    }
}
