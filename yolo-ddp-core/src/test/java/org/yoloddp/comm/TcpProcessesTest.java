package org.yoloddp.comm;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.comm.tcp.TcpOptions;
import org.yoloddp.comm.tcp.TcpProvider;
import org.yoloddp.rendezvous.JobToken;
import org.yoloddp.rendezvous.StoreOptions;
import org.yoloddp.rendezvous.StoreServer;

/** Ranks that are processes. */
@Tag("process")
@Timeout(90)
class TcpProcessesTest {

    @TempDir private Path folder;

    private final JobToken token = JobToken.random();
    private final List<Process> processes = new ArrayList<>();
    private StoreServer store;

    @BeforeEach
    void serveStore() {
        store =
                StoreServer.start(
                        new InetSocketAddress(InetAddress.getLoopbackAddress(), 0),
                        token,
                        StoreOptions.defaults());
    }

    @AfterEach
    void end() {
        processes.forEach(Process::destroyForcibly);
        store.close();
    }

    private Process start(int rank, int size, String host, String what) throws IOException {
        ProcessBuilder builder =
                new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:TieredStopAtLevel=1",
                        "-Xmx256m",
                        "-cp",
                        System.getProperty("java.class.path"),
                        RankProcess.class.getName(),
                        Integer.toString(rank),
                        Integer.toString(size),
                        Integer.toString(store.address().getPort()),
                        host,
                        folder.toString(),
                        what);
        builder.environment().put(JobToken.VARIABLE, token.secret());
        builder.redirectError(ProcessBuilder.Redirect.INHERIT);
        Process process = builder.start();
        processes.add(process);
        return process;
    }

    @Test
    void processesOnTwoHostsReduceAndLeaveNothing() throws Exception {
        for (int rank = 0; rank < 3; rank++) {
            start(rank, 3, rank < 2 ? "one" : "other", "reduce");
        }
        for (Process process : processes) {
            assertThat(process.inputReader().readLine()).isEqualTo("reduced");
            assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
            assertThat(process.exitValue()).isZero();
        }
        assertThat(files()).isEmpty();
    }

    @Test
    void aKilledProcessIsNamedAtOnceAndWhatItLeavesIsRemoved() throws Exception {
        Process survivor = start(0, 2, "one", "wait");
        Process victim = start(1, 2, "one", "wait");
        BufferedReader answers = survivor.inputReader();
        assertThat(answers.readLine()).isEqualTo("ready");
        assertThat(victim.inputReader().readLine()).isEqualTo("ready");
        long start = System.nanoTime();
        victim.destroyForcibly();
        String failure = answers.readLine();
        assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(5));
        assertThat(failure)
                .startsWith("1 7 Rank 1 (process " + victim.pid() + " on ")
                .contains("failed at step 7, in phase 'train'");
        survivor.destroyForcibly();
        assertThat(survivor.waitFor(10, TimeUnit.SECONDS)).isTrue();
        Path left = folder.resolve(leftBy(victim.pid()));
        Files.createFile(left);
        TcpProvider next = new TcpProvider(TcpOptions.defaults().withSharedMemory(folder));
        Connections.connect(next, 2, Duration.ofSeconds(30), rank -> "one")
                .forEach(Communicator::close);
        assertThat(files()).isEmpty();
    }

    private static String leftBy(long pid) throws IOException {
        String namespace =
                Files.readSymbolicLink(Path.of("/proc/self/ns/pid"))
                        .toString()
                        .replaceAll("\\D", "");
        return "yolo-ddp-" + namespace + "-" + pid + "-12345-abc-1-0";
    }

    private List<Path> files() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.toList();
        }
    }
}
