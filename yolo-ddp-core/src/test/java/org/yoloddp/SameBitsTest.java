package org.yoloddp;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.launch.LaunchReport;
import org.yoloddp.launch.LaunchReport.Outcome;
import org.yoloddp.launch.Launcher;
import org.yoloddp.launch.LauncherBuilder;
import org.yoloddp.launch.NodeRange;

/**
 * Four ranks end with the same bits as threads of one JVM, as processes of one host, and as two
 * processes on each of two hosts, which here are one host that says it were two.
 */
@Tag("torch")
@Tag("process")
@Timeout(115)
class SameBitsTest {

    private static final long SEED = 5;
    private static final int EPOCHS = 5;

    @TempDir private Path folder;

    private final ByteArrayOutputStream console = new ByteArrayOutputStream();

    @Test
    void threadsProcessesAndHostsTrainToTheSameBits() throws Exception {
        List<String> threads = threads(4, SEED);
        assertThat(threads).hasSize(4).containsOnly(threads.get(0));

        Path processes = Files.createDirectory(folder.resolve("processes"));
        assertThat(node(processes, 4).build().run().outcome())
                .as(console())
                .isEqualTo(Outcome.DONE);
        assertThat(hashes(processes)).containsOnly(threads.toString());
        assertThat(console()).contains("4 ranks: [0, 1, 2, 3]; those within brackets share memory");

        Path hosts = Files.createDirectory(folder.resolve("hosts"));
        int port;
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = free.getLocalPort();
        }
        List<CompletableFuture<LaunchReport>> launches = new ArrayList<>();
        for (int node = 0; node < 2; node++) {
            Launcher launcher =
                    node(hosts, 2)
                            .optNodes(NodeRange.of(2))
                            .optNodeRank(node)
                            .optMasterPort(port)
                            .addEnvironment("YOLODDP_HOST_ID", "host" + node)
                            .build();
            launches.add(CompletableFuture.supplyAsync(launcher::run));
        }
        for (CompletableFuture<LaunchReport> launch : launches) {
            assertThat(launch.get(60, TimeUnit.SECONDS).outcome())
                    .as(console())
                    .isEqualTo(Outcome.DONE);
        }
        assertThat(hashes(hosts)).containsOnly(threads.toString());
        assertThat(console())
                .contains("4 ranks: [0, 1] [2, 3]; those within brackets share memory");

        // Neither another start nor another order of the same sums gives these bits.
        assertThat(threads(4, SEED + 1).get(0)).isNotEqualTo(threads.get(0));
        assertThat(threads(2, SEED).get(0)).isNotEqualTo(threads.get(0));
    }

    private List<String> threads(int ranks, long seed) {
        return HashedTraining.hashes(World.threads(ranks), seed, EPOCHS, folder.resolve("steps"));
    }

    private LauncherBuilder node(Path results, int processes) {
        return Launcher.builder()
                .setCommand(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx256m",
                        "-XX:TieredStopAtLevel=1",
                        "-cp",
                        System.getProperty("java.class.path"),
                        HashedTraining.class.getName(),
                        results.toString(),
                        Long.toString(SEED),
                        Integer.toString(EPOCHS))
                .optProcesses(processes)
                .addEnvironment("YOLODDP_TOKEN", "a secret of this test")
                .optConsole(console, console);
    }

    private static List<String> hashes(Path results) throws IOException {
        List<String> hashes = new ArrayList<>();
        for (int rank = 0; rank < 4; rank++) {
            hashes.add(Files.readString(results.resolve("hashes." + rank)));
        }
        return hashes;
    }

    private String console() {
        return console.toString(StandardCharsets.UTF_8);
    }
}
