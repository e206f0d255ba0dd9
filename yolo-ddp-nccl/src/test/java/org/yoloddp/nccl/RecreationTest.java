package org.yoloddp.nccl;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.InMemoryStore;
import org.yoloddp.launch.LaunchReport;
import org.yoloddp.launch.LaunchReport.Outcome;
import org.yoloddp.launch.Launcher;

/** After an abort the same ranks connect again, over the same store and in the same processes. */
@Tag("process")
@Timeout(60)
@EnabledOnOs(value = OS.LINUX, architectures = "amd64")
class RecreationTest {

    @TempDir private Path folder;

    @Test
    void ranksThatAreThreadsConnectAgainAfterAnAbort() throws Exception {
        TestDouble.provider();
        InMemoryStore store = new InMemoryStore();
        for (int i = 0; i < 2; i++) {
            List<String> aborted = outcomes(store, 1);
            assertThat(aborted.get(1))
                    .matches(
                            "RankFailedException: Rank 1 \\(process \\d+ on .*\\) failed, .* in"
                                    + " group 'world': java\\.lang\\.IllegalStateException: no more of"
                                    + " this\\. .*")
                    .isEqualTo(aborted.get(0));
            assertThat(outcomes(store, 2)).containsExactly("right", "right");
        }
    }

    /** A world that is not closed while the next one begins, as a job that failed may leave it. */
    @Test
    void whatRemainsOfAFormerWorldDisturbsNoOther() throws Exception {
        NcclProvider provider = TestDouble.provider();
        InMemoryStore store = new InMemoryStore();
        List<Communicator> former =
                together(rank -> provider.connect(RecreatedRank.context(rank, store)));
        former.get(0).abort(new IllegalStateException("left behind"));
        assertThat(outcomes(store, 2)).containsExactly("right", "right");
        former.forEach(Communicator::close);
        assertThat(outcomes(store, 2)).containsExactly("right", "right");
    }

    private static List<String> outcomes(InMemoryStore store, int world) throws Exception {
        return together(rank -> RecreatedRank.outcome(RecreatedRank.context(rank, store), world));
    }

    private interface Part<T> {
        T play(int rank) throws Exception;
    }

    private static <T> List<T> together(Part<T> part) throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(2);
        try {
            List<Future<T>> ranks = new ArrayList<>();
            for (int rank = 0; rank < 2; rank++) {
                int mine = rank;
                ranks.add(threads.submit(() -> part.play(mine)));
            }
            List<T> results = new ArrayList<>();
            for (Future<T> rank : ranks) {
                results.add(rank.get(30, TimeUnit.SECONDS));
            }
            return results;
        } finally {
            threads.shutdownNow();
        }
    }

    @Test
    void processesConnectAgainAfterHangsAndAbortsAndRestarts() throws Exception {
        ByteArrayOutputStream console = new ByteArrayOutputStream();
        LaunchReport report =
                Launcher.builder()
                        .setCommand(TestDouble.command(RecreatedRank.class, folder.toString()))
                        .optProcesses(2)
                        .optMaxRestarts(1)
                        .addEnvironment("YOLODDP_TEST_DOUBLE_FAULT", "hang@1:3")
                        .optConsole(console, console)
                        .build()
                        .run();
        String log = console.toString(StandardCharsets.UTF_8);
        assertThat(report.outcome()).as(log).isEqualTo(Outcome.DONE);
        assertThat(report.restarts()).as(log).isEqualTo(1);
        for (int generation = 0; generation < 2; generation++) {
            for (int rank = 0; rank < 2; rank++) {
                assertThat(read(generation, 0, rank))
                        .isEqualTo(
                                generation == 1
                                        ? "right"
                                        : "CollectiveTimeoutException: allReduce(SUM, F32 x 1000,"
                                                + " tag 'sum'), collective 2 of group 'world', was"
                                                + " not done within 4000 ms: all ranks came, but it"
                                                + " did not end: the data are many for the time, or"
                                                + " a line between hosts lets nothing through. Look"
                                                + " at the network, or raise the deadline.");
                assertThat(read(generation, 1, rank))
                        .startsWith("RankFailedException: Rank 1 ")
                        .contains("java.lang.IllegalStateException: no more of this");
                assertThat(read(generation, 2, rank)).isEqualTo("right");
            }
        }
    }

    private String read(int generation, int world, int rank) throws Exception {
        return Files.readString(folder.resolve("world." + generation + "." + world + "." + rank));
    }
}
