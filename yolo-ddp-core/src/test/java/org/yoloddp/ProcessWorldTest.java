package org.yoloddp;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.rendezvous.JobToken;
import org.yoloddp.rendezvous.StoreOptions;
import org.yoloddp.rendezvous.StoreServer;
import org.yoloddp.testing.JavaProcess;

/** The same training by threads and by processes. */
@Tag("torch")
@Tag("process")
@Timeout(120)
class ProcessWorldTest {

    private static final int RANKS = 2;

    private final JobToken token = JobToken.random();

    @TempDir Path runs;

    private JavaProcess rank(int rank, String seed) {
        return JavaProcess.of(ProcessTraining.class, runs(rank).toString(), seed)
                .jvm("-XX:TieredStopAtLevel=1")
                .env("RANK", Integer.toString(rank))
                .env("WORLD_SIZE", Integer.toString(RANKS))
                .env("LOCAL_RANK", Integer.toString(rank))
                .env("LOCAL_WORLD_SIZE", Integer.toString(RANKS))
                .env("YOLODDP_TOKEN", token.secret())
                .timeout(Duration.ofSeconds(60));
    }

    /** Only rank 0 writes, so that of others nothing is ever there. */
    private Path runs(int rank) {
        return rank == 0 ? runs : runs.resolve("of rank " + rank);
    }

    private static List<JavaProcess.Result> run(List<JavaProcess> processes) {
        List<JavaProcess.Running> running = new ArrayList<>();
        processes.forEach(process -> running.add(process.start()));
        return running.stream().map(JavaProcess.Running::await).toList();
    }

    /** Rank 0 serves the store, as where a cluster has set MASTER_ADDR. */
    @Test
    void processesTrainToTheBitsOfThreads() throws IOException {
        String port;
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = Integer.toString(free.getLocalPort());
        }
        List<JavaProcess.Result> results =
                run(
                        Stream.of(0, 1)
                                .map(
                                        rank ->
                                                rank(rank, "3")
                                                        .env("MASTER_ADDR", "127.0.0.1")
                                                        .env("MASTER_PORT", port))
                                .toList());
        List<String> threads;
        List<String> otherSeed;
        try (Toy toy = new Toy()) {
            threads = hashes(toy, 3);
            otherSeed = hashes(toy, 4);
        }
        for (JavaProcess.Result result : results) {
            assertThat(result.values("failed")).as(result.output()).isEmpty();
            assertThat(result.values("world")).as(result.output()).containsExactly("2", "2");
            assertThat(result.values("hashes"))
                    .containsExactly(threads.toString(), threads.toString())
                    .doesNotContain(otherSeed.toString());
        }
        // Numbered once a run, by rank 0.
        try (Stream<Path> folders = Files.list(runs)) {
            assertThat(folders.map(folder -> folder.getFileName().toString()))
                    .containsExactlyInAnyOrder("exp", "exp2");
        }
    }

    private static List<String> hashes(Toy toy, long seed) {
        try (DistributedTrainer trainer = toy.builder().optSeed(seed).build()) {
            return trainer.train().parametersSha256();
        }
    }

    /** A launcher serves the store; the seeds differ, which must not go unnoticed. */
    @Test
    void ranksThatWereToldDifferentThingsDoNotTrain() {
        try (StoreServer server =
                StoreServer.start(
                        new InetSocketAddress(InetAddress.getLoopbackAddress(), 0),
                        token,
                        StoreOptions.defaults().withJob("j"))) {
            String store = "127.0.0.1:" + server.address().getPort();
            List<JavaProcess.Result> results =
                    run(
                            Stream.of(0, 1)
                                    .map(
                                            rank ->
                                                    rank(rank, Integer.toString(rank))
                                                            .env("YOLODDP_STORE", store)
                                                            .env("MASTER_ADDR", "127.0.0.1")
                                                            .env("TORCHELASTIC_RUN_ID", "j"))
                                    .toList());
            String message =
                    "org.yoloddp.rendezvous.RendezvousRefusedException: The ranks differ: rank 1"
                            + " \\(process \\d+ on .*\\) has seed 1, rank 0 \\(process \\d+ on"
                            + " .*\\) has 0. Give all ranks the same\\.";
            assertThat(results)
                    .allSatisfy(
                            result ->
                                    assertThat(result.values("failed"))
                                            .as(result.output())
                                            .singleElement()
                                            .asString()
                                            .matches(message));
            assertThat(results.get(0).values("failed")).isEqualTo(results.get(1).values("failed"));
        }
        assertThat(runs).isEmptyDirectory();
    }
}
