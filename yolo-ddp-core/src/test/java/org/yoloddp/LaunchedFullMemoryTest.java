package org.yoloddp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.yoloddp.launch.LaunchReport.Outcome;
import org.yoloddp.launch.Launcher;
import org.yoloddp.testing.MountNamespace;

/**
 * Launched trainings whose {@code /dev/shm} is too small: a warning with size and limit, another
 * way for the data, and the bits that they have with as much memory as they want.
 */
@Tag("torch")
@Timeout(110)
class LaunchedFullMemoryTest {

    private static final int RANKS = 2;
    private static final int EPOCHS = 5;
    private static final long SEED = 5;

    @TempDir private Path folder;

    private final ByteArrayOutputStream console = new ByteArrayOutputStream();

    /** There is room for what the ranks show each other, but not for what data pass through. */
    @ParameterizedTest
    @ValueSource(strings = "1m")
    @Tag("process")
    void ranksUseSocketsIfTheirMemoryIsFull(String size) throws Exception {
        train(size);
        assertSockets("1 MiB in all, \\d MiB free");
    }

    @ParameterizedTest
    @CsvSource({"4k, 0 MiB in all", "64k, 0 MiB in all", "3m, 3 MiB in all"})
    @Tag("slow")
    void ranksUseSocketsHoweverLittleThereIs(String size, String told) throws Exception {
        train(size);
        assertSockets(told + ", \\d MiB free");
    }

    private void assertSockets(String space) {
        assertThat(text())
                .contains("2 ranks: [0] [1]; those within brackets share memory")
                .containsPattern(
                        "Ranks \\[0, 1] get no \\d+ bytes of shared memory in /dev/shm \\("
                                + space
                                + "\\): No space left on device\\. They exchange over sockets, which"
                                + " is slower\\. Make it larger, for a container by --shm-size\\.");
    }

    /** The ranks share what there is; buckets have no room in it. */
    @ParameterizedTest
    @ValueSource(strings = "5m")
    @Tag("slow")
    void bucketsThatDoNotFitAreCopied(String size) throws Exception {
        train(size);
        assertThat(text())
                .contains("2 ranks: [0, 1]; those within brackets share memory")
                .containsPattern(
                        "Rank [01] gets no \\d+ bytes of shared memory in /dev/shm \\(5 MiB in all, \\d"
                                + " MiB free\\): No space left on device\\. Buckets in ordinary"
                                + " memory are exchanged by copying, which is slower\\. Make it"
                                + " larger, for a container by --shm-size\\.");
    }

    private void train(String size) throws IOException {
        Optional<String> missing = MountNamespace.missing();
        assumeTrue(missing.isEmpty(), missing::orElseThrow);
        try (MountNamespace small = new MountNamespace("/dev/shm", size)) {
            List<String> rank =
                    small.in(
                            List.of(
                                    Path.of(System.getProperty("java.home"), "bin", "java")
                                            .toString(),
                                    "-Xmx256m",
                                    "-XX:TieredStopAtLevel=1",
                                    "-cp",
                                    System.getProperty("java.class.path"),
                                    HashedTraining.class.getName(),
                                    folder.toString(),
                                    Long.toString(SEED),
                                    Integer.toString(EPOCHS)));
            Outcome outcome =
                    Launcher.builder()
                            .setCommand(rank)
                            .optProcesses(RANKS)
                            .optConsole(console, console)
                            .build()
                            .run()
                            .outcome();
            assertThat(outcome).as(text()).isEqualTo(Outcome.DONE);
            assertThat(small.files()).as("left files").isEmpty();
        }
        List<String> threads =
                HashedTraining.hashes(
                        World.threads(RANKS), SEED, EPOCHS, folder.resolve("threads"));
        for (int r = 0; r < RANKS; r++) {
            assertThat(folder.resolve("hashes." + r)).content().isEqualTo(threads.toString());
        }
    }

    private String text() {
        return console.toString(StandardCharsets.UTF_8);
    }
}
