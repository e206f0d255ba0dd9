package org.yoloddp.examples;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.Gson;
import com.google.gson.JsonObject;
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
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.detection.SyntheticShapes;
import org.yoloddp.launch.LaunchReport;
import org.yoloddp.launch.LaunchReport.Outcome;
import org.yoloddp.launch.Launcher;
import org.yoloddp.launch.LauncherBuilder;
import org.yoloddp.launch.NodeRange;

/** {@code train} with yolov5n, validation and all: four threads, four processes, two hosts. */
@Tag("torch")
@Tag("slow")
@Timeout(1200)
class SameBitsOfYoloTest {

    @TempDir private Path folder;

    private final ByteArrayOutputStream console = new ByteArrayOutputStream();
    private Path data;

    @BeforeEach
    void makeData() {
        data = SyntheticShapes.write(folder.resolve("shapes"), 32, 4, 64, 0);
    }

    @Test
    void threadsProcessesAndHostsTrainToTheSameBits() throws Exception {
        JsonObject threads = threads("threads", 4, 0);

        assertThat(node("processes", 4).build().run().outcome()).as(log()).isEqualTo(Outcome.DONE);

        int port;
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = free.getLocalPort();
        }
        List<CompletableFuture<LaunchReport>> launches = new ArrayList<>();
        for (int node = 0; node < 2; node++) {
            Launcher launcher =
                    node("hosts", 2)
                            .optNodes(NodeRange.of(2))
                            .optNodeRank(node)
                            .optMasterPort(port)
                            .addEnvironment("YOLODDP_HOST_ID", "host" + node)
                            .build();
            launches.add(CompletableFuture.supplyAsync(launcher::run));
        }
        for (CompletableFuture<LaunchReport> launch : launches) {
            assertThat(launch.get(300, TimeUnit.SECONDS).outcome())
                    .as(log())
                    .isEqualTo(Outcome.DONE);
        }
        assertThat(log()).contains("4 ranks: [0, 1] [2, 3]; those within brackets share memory");

        for (String hashes : List.of("parametersSha256", "buffersSha256")) {
            assertThat(threads.getAsJsonArray(hashes)).hasSize(4);
            assertThat(summary("processes").get(hashes)).isEqualTo(threads.get(hashes));
            assertThat(summary("hosts").get(hashes)).isEqualTo(threads.get(hashes));
        }
        // Another seed, and the same sums in another order.
        String first = first(threads);
        assertThat(first(threads("seed", 4, 1))).isNotEqualTo(first);
        assertThat(first(threads("order", 2, 0))).isNotEqualTo(first);
    }

    private static String first(JsonObject summary) {
        return summary.getAsJsonArray("parametersSha256").get(0).getAsString();
    }

    private JsonObject threads(String name, int ranks, int seed) throws Exception {
        List<String> command = new ArrayList<>(train(name));
        command.add("--nproc=" + ranks);
        command.add("--seed=" + seed);
        Path output = folder.resolve(name + ".txt");
        Process process =
                new ProcessBuilder(command)
                        .redirectErrorStream(true)
                        .redirectOutput(output.toFile())
                        .start();
        assertThat(process.waitFor(300, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).as(Files.readString(output)).isZero();
        return summary(name);
    }

    private LauncherBuilder node(String name, int processes) {
        return Launcher.builder()
                .setCommand(train(name))
                .optWatchesInput(true)
                .optProcesses(processes)
                .addEnvironment("YOLODDP_TOKEN", "a secret of this test")
                .optConsole(console, console);
    }

    /** Each rank computes by one thread, however many cores there are. */
    private List<String> train(String name) {
        return List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx512m",
                "-XX:ActiveProcessorCount=2",
                "-Dorg.slf4j.simpleLogger.log.org.yoloddp.comm.tcp=info",
                "-cp",
                System.getProperty("java.class.path"),
                YoloDdp.class.getName(),
                "train",
                "--imgsz=64",
                "--batch-size=8",
                "--epochs=2",
                "--data=" + data,
                "--project=" + folder.resolve("runs"),
                "--name=" + name);
    }

    private JsonObject summary(String name) throws IOException {
        Path file = folder.resolve("runs").resolve(name).resolve("summary.json");
        return new Gson().fromJson(Files.readString(file), JsonObject.class);
    }

    private String log() {
        return console.toString(StandardCharsets.UTF_8);
    }
}
