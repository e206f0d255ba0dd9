package org.yoloddp;

import java.nio.file.Path;
import java.util.Map;
import org.yoloddp.report.RunFolder;
import org.yoloddp.train.TrainingReport;

/** One rank of a toy training, as a program; trains twice. */
public final class ProcessTraining {

    private ProcessTraining() {}

    /** Takes the folder of the runs, and the seed. */
    public static void main(String[] args) {
        for (int run = 0; run < 2; run++) {
            try (Toy toy = new Toy();
                    DistributedTrainer trainer =
                            toy.builder()
                                    .optWorld(World.fromEnvironment())
                                    .optSeed(Long.parseLong(args[1]))
                                    .addObserver(
                                            RunFolder.at(Path.of(args[0]))
                                                    .optArgs(Map.of("run", run)))
                                    .build()) {
                TrainingReport report = trainer.train();
                System.out.println("world=" + report.worldSize());
                System.out.println("hashes=" + report.parametersSha256());
            } catch (RuntimeException e) {
                System.out.println("failed=" + e.getClass().getName() + ": " + e.getMessage());
                return;
            }
        }
    }
}
