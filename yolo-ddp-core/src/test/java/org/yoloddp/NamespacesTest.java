package org.yoloddp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.testing.TwoNamespaces;

/**
 * Two ranks on each of two hosts, which are namespaces of this machine joined by a veth pair, with
 * two launchers; and what befalls the line between them in the middle of a training.
 */
@Tag("slow")
@Tag("torch")
@Timeout(300)
class NamespacesTest {

    private static final int STEPS_OF_AN_EPOCH = 4;
    private static final long SEED = 5;

    @TempDir private Path folder;

    private final List<Process> launchers = new ArrayList<>();
    private TwoNamespaces hosts;

    @BeforeEach
    void makeHosts() {
        Optional<String> missing = TwoNamespaces.missing();
        assumeTrue(missing.isEmpty(), missing::orElseThrow);
        hosts = new TwoNamespaces();
    }

    @AfterEach
    void end() {
        launchers.forEach(Process::destroyForcibly);
        if (hosts != null) {
            hosts.close();
        }
    }

    @Test
    void slowNarrowAndShortlyCutLineLeavesTheResultAsItIs() throws Exception {
        Optional<String> missing = TwoNamespaces.cannotDelay();
        assumeTrue(missing.isEmpty(), missing::orElseThrow);
        int epochs = 160;
        launch(epochs);
        await("a first step", Duration.ofSeconds(60), () -> steps() > 4);

        hosts.delay(Duration.ofMillis(50));
        double delayed = secondsOf(4);
        long packets = hosts.undelay();
        // Each step has to go there and back.
        assertThat(delayed).as("seconds of 4 steps with 50 ms of delay").isGreaterThan(.4);
        assertThat(packets).as("packets that took the slow path").isGreaterThan(1000);

        hosts.limit(100);
        double limited = secondsOf(10);
        long late = hosts.unlimit();
        double bits = 10 * 8. * HashedTraining.GRADIENT_BYTES / limited;
        assertThat(bits).as("bits per second each way").isLessThan(105e6);
        assertThat(late).as("times that the limit was felt").isGreaterThan(100);

        hosts.cut();
        pause(Duration.ofMillis(200));
        long cutAt = steps();
        pause(Duration.ofSeconds(2));
        assertThat(steps()).as("steps while the line is cut").isEqualTo(cutAt);
        assertThat(cutAt).isLessThan((long) epochs * STEPS_OF_AN_EPOCH);
        hosts.mend();

        await("the end of both launchers", Duration.ofSeconds(120), this::bothEnded);
        assertThat(report(0)).as(log(0)).isEqualTo("DONE\n");
        assertThat(report(1)).as(log(1)).isEqualTo("DONE\n");
        List<String> threads =
                HashedTraining.hashes(World.threads(4), SEED, epochs, folder.resolve("threads"));
        for (int rank = 0; rank < 4; rank++) {
            assertThat(folder.resolve("hashes." + rank)).content().isEqualTo(threads.toString());
        }
        assertThat(log(0)).contains("4 ranks: [0, 1] [2, 3]; those within brackets share memory");
    }

    @Test
    void cutLineEndsBothSidesWithTypedErrors() throws Exception {
        launch(1_000_000);
        await("a first step", Duration.ofSeconds(60), () -> steps() > 20);
        hosts.cut();
        long start = System.nanoTime();
        await(
                "all ranks know it",
                Duration.ofSeconds(20),
                () ->
                        List.of(0, 1, 2, 3).stream()
                                .allMatch(rank -> Files.exists(folder.resolve("failed." + rank))));
        Duration noticed = Duration.ofNanos(System.nanoTime() - start);
        await("the end of both launchers", Duration.ofSeconds(60), this::bothEnded);
        Duration ended = Duration.ofNanos(System.nanoTime() - start);
        assertThat(noticed).isLessThan(Duration.ofSeconds(7));
        assertThat(ended).isLessThan(Duration.ofSeconds(25));

        String accused =
                "RankFailedException rank [23]: Rank [23] \\(process \\d+ on .*-1\\) failed";
        String lost =
                "StoreLostException: The ranks of group 'world' have lost the store of the job,"
                        + " which process \\d+ on .*-0 served: no heartbeat of the server for more"
                        + " than 5000 ms\\. Without it the job cannot go on; see what ended that"
                        + " process\\.";
        assertThat(failed(0))
                .containsPattern("^" + accused)
                .endsWith(
                        ": no heartbeat for more than 5000 ms: it is stopped, starved or cut off."
                                + " The other ranks cannot go on; mend what stopped rank "
                                + failed(0).charAt("RankFailedException rank ".length())
                                + ".");
        assertThat(failed(1)).isEqualTo(failed(0));
        assertThat(failed(2)).matches(lost);
        assertThat(failed(3)).isEqualTo(failed(2));

        assertThat(report(0).lines())
                .element(1)
                .asString()
                .matches(
                        "rank 2 \\(on .*-1\\) is lost with its node; the launcher of node 1 has not"
                                + " been heard of for 10 s");
        assertThat(report(0)).startsWith("FAILED\n").contains("\nrank 0 ", "\nrank 1 ");
        assertThat(report(1))
                .startsWith(
                        "LaunchException: the launcher of node 0, which serves the job's store at "
                                + hosts.address(0)
                                + ":29500, is gone or cannot be reached (No answer from process ")
                .endsWith(
                        "; this node's workers were stopped, and the job has ended: find out why"
                                + " node 0 was lost, and start it again on all nodes");
        assertThat(hosts.processes(0)).isEmpty();
        assertThat(hosts.processes(1)).isEmpty();
    }

    private void launch(int epochs) throws IOException {
        for (int node = 0; node < 2; node++) {
            List<String> rank =
                    List.of(
                            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                            "-Xmx256m",
                            "-XX:TieredStopAtLevel=1",
                            "-cp",
                            System.getProperty("java.class.path"),
                            HashedTraining.class.getName(),
                            folder.toString(),
                            Long.toString(SEED),
                            Integer.toString(epochs));
            List<String> command =
                    LaunchedNode.command(node, 2, hosts.address(0), 29500, 2, folder, rank);
            ProcessBuilder builder =
                    new ProcessBuilder(hosts.on(node, command))
                            .redirectErrorStream(true)
                            .redirectOutput(folder.resolve("log." + node).toFile());
            builder.environment().put("YOLODDP_TOKEN", "a secret of this test");
            launchers.add(builder.start());
        }
    }

    private long steps() {
        try {
            Path file = folder.resolve("steps");
            return Files.exists(file) ? Long.parseLong(Files.readString(file)) : 0;
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    /** How long so many steps take from now on. */
    private double secondsOf(int steps) throws IOException {
        // What is on its way when the line changes does not count.
        long first = steps() + 2;
        await("step " + first, Duration.ofSeconds(60), () -> steps() >= first);
        long from = steps();
        long start = System.nanoTime();
        await("step " + (from + steps), Duration.ofSeconds(60), () -> steps() >= from + steps);
        // Seen up to a moment too late at the start, which only makes it shorter.
        return (System.nanoTime() - start) / 1e9;
    }

    private boolean bothEnded() {
        return launchers.stream().noneMatch(Process::isAlive);
    }

    private String failed(int rank) throws IOException {
        return Files.readString(folder.resolve("failed." + rank));
    }

    private String report(int node) throws IOException {
        return Files.readString(folder.resolve("report." + node));
    }

    private String log(int node) throws IOException {
        return Files.readString(folder.resolve("log." + node));
    }

    private void await(String what, Duration limit, BooleanSupplier condition) throws IOException {
        long end = System.nanoTime() + limit.toNanos();
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() - end > 0) {
                throw new AssertionError(
                        what + " did not come within " + limit + "\n" + log(0) + "\n" + log(1));
            }
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(5));
        }
    }

    /** Lets the training go on: what is watched is how far it comes in a time. */
    private static void pause(Duration time) {
        long end = System.nanoTime() + time.toNanos();
        while (System.nanoTime() - end < 0) {
            LockSupport.parkNanos(end - System.nanoTime());
        }
    }
}
