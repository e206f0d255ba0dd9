package org.yoloddp;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.yoloddp.detection.SyntheticShapes;
import org.yoloddp.launch.LaunchReport.Outcome;
import org.yoloddp.launch.Launcher;
import org.yoloddp.nccl.TestDouble;

/**
 * Processes that train by the communicator {@code nccl}, over the test double, end with the bits of
 * the communicator {@code tcp}.
 */
@Tag("torch")
@Timeout(115)
@EnabledOnOs(value = OS.LINUX, architectures = "amd64")
class NcclProcessesTest {

    private static final long SEED = 5;

    @TempDir private Path folder;

    private final ByteArrayOutputStream console = new ByteArrayOutputStream();

    @Test
    @Tag("process")
    void twoTrainToTheBitsOfTcp() throws Exception {
        check(2, HashedTrainings.MLP);
    }

    @Test
    @Tag("slow")
    void fourTrainToTheBitsOfTcp() throws Exception {
        check(4, HashedTrainings.MLP);
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 4})
    @Tag("slow")
    @Timeout(600)
    void yoloTrainsToTheBitsOfTcp(int ranks) throws Exception {
        check(ranks, SyntheticShapes.write(folder.resolve("shapes"), 32, 4, 64, 0).toString());
    }

    private void check(int ranks, String data) throws Exception {
        train("tcp", ranks, data, List.of(), SEED);
        // A process trains again over the communicator, by another start.
        train("nccl", ranks, data, TestDouble.options(), SEED, SEED + 1);
        List<String> byTcp = hashes("tcp", SEED, ranks);
        assertThat(hashes("nccl", SEED, ranks)).isEqualTo(byTcp);
        assertThat(hashes("nccl", SEED + 1, ranks)).doesNotContainAnyElementsOf(byTcp);
        assertThat(text())
                .contains("NCCL 2.26.2 from", "libnccl.so.2")
                .contains("gradients go by 'tcp'", "gradients go by 'nccl'");
    }

    private void train(
            String communicator, int ranks, String data, List<String> options, long... seeds) {
        List<String> command =
                new ArrayList<>(
                        List.of(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-Xmx512m",
                                "-XX:TieredStopAtLevel=1",
                                "-Dorg.slf4j.simpleLogger.log.org.yoloddp=info"));
        command.addAll(options);
        command.addAll(
                List.of(
                        "-cp",
                        System.getProperty("java.class.path"),
                        HashedTrainings.class.getName(),
                        folder.resolve(communicator).toString(),
                        data));
        LongStream.of(seeds).mapToObj(Long::toString).forEach(command::add);
        assertThat(
                        Launcher.builder()
                                .setCommand(command)
                                .optProcesses(ranks)
                                .addEnvironment("YOLODDP_COMMUNICATOR", communicator)
                                .optConsole(console, console)
                                .build()
                                .run()
                                .outcome())
                .as(text())
                .isEqualTo(Outcome.DONE);
    }

    /** What every rank knows of all, which are equal. */
    private List<String> hashes(String communicator, long seed, int ranks) throws IOException {
        List<String> all = new ArrayList<>();
        for (int rank = 0; rank < ranks; rank++) {
            Path file = folder.resolve(communicator).resolve(seed + "." + rank);
            List<String> hashes = Files.readAllLines(file);
            assertThat(hashes).hasSize(ranks).containsOnly(hashes.get(0));
            all.addAll(hashes);
        }
        assertThat(all).containsOnly(all.get(0));
        return all;
    }

    private String text() {
        return console.toString(StandardCharsets.UTF_8);
    }
}
