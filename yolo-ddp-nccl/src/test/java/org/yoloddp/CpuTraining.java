package org.yoloddp;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeSet;
import org.yoloddp.comm.CommunicatorProviders;

/** Trains on the CPU with all communicators on the class path, and prints what it has mapped. */
final class CpuTraining {

    private CpuTraining() {}

    public static void main(String[] args) throws Exception {
        CommunicatorProviders.all();
        Class.forName("org.yoloddp.nccl.NcclOptions");
        try (Toy toy = new Toy();
                DistributedTrainer trainer = toy.builder().build()) {
            trainer.train();
        }
        TreeSet<String> mapped = new TreeSet<>();
        for (String line : Files.readAllLines(Path.of("/proc/self/maps"))) {
            int slash = line.indexOf('/');
            if (slash >= 0) {
                mapped.add("mapped=" + Path.of(line.substring(slash)).getFileName());
            }
        }
        mapped.add("end=reached");
        for (String line : List.copyOf(mapped)) {
            byte[] bytes = (line + "\n").getBytes(StandardCharsets.UTF_8);
            System.out.write(bytes, 0, bytes.length);
        }
        System.out.flush();
    }
}
