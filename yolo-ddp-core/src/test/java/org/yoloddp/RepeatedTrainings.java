package org.yoloddp;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.yoloddp.torch.TorchRuntime;

/** Builds, trains and closes 50 times, and prints what the process holds after runs 10 and 50. */
final class RepeatedTrainings {

    private RepeatedTrainings() {}

    /** What a process holds. */
    record Holdings(long residentMegabytes, int threads, int files) {

        static Holdings now() throws IOException {
            System.gc();
            awaitOurThreads();
            long resident = 0;
            for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
                if (line.startsWith("VmRSS:")) {
                    resident = Long.parseLong(line.replaceAll("\\D", "")) / 1024;
                }
            }
            return new Holdings(resident, Thread.activeCount(), count(Path.of("/proc/self/fd")));
        }

        /** What ends a training may still be on its last instructions. */
        private static void awaitOurThreads() {
            long deadline = System.nanoTime() + 5_000_000_000L;
            while (Thread.getAllStackTraces().keySet().stream()
                            .anyMatch(thread -> thread.getName().startsWith("yolo-ddp"))
                    && System.nanoTime() < deadline) {
                Thread.onSpinWait();
            }
        }

        private static int count(Path folder) throws IOException {
            try (Stream<Path> entries = Files.list(folder)) {
                return (int) entries.count();
            }
        }
    }

    public static void main(String[] args) throws IOException {
        TorchRuntime.start();
        for (int run = 1; run <= 50; run++) {
            try (Toy toy = new Toy();
                    DistributedTrainer trainer = toy.builder().optWeightAverage(.99).build()) {
                trainer.train();
            }
            if (run == 10 || run == 50) {
                Holdings now = Holdings.now();
                System.out.println(
                        "run "
                                + run
                                + ": "
                                + now.residentMegabytes()
                                + " MB, "
                                + now.threads()
                                + " threads, "
                                + now.files()
                                + " files");
            }
        }
    }
}
