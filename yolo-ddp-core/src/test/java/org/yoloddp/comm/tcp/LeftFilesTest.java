package org.yoloddp.comm.tcp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.GroupContext;
import org.yoloddp.comm.InMemoryStore;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.comm.Store;
import org.yoloddp.testing.JavaProcess;

/** Whatever ends ranks, and when: no file of shared memory is left. */
@Timeout(60)
class LeftFilesTest {

    @TempDir private Path folder;

    private final ExecutorService threads = Executors.newCachedThreadPool();

    @AfterEach
    void letThreadsEnd() {
        threads.shutdown();
    }

    /** The store is lost in each of the calls by which two ranks meet, to the first of them. */
    @Test
    void ranksThatDoNotComeTogetherLeaveNothing() throws Exception {
        boolean connected = false;
        for (int calls = 0; !connected; calls++) {
            connected = meet(calls);
            assertThat(files()).as("the store is lost after %d calls", calls).isEmpty();
            assertThat(calls).isLessThan(100);
        }
    }

    /** Lets two ranks meet, the first of whom has a store that answers only so many calls. */
    private boolean meet(int calls) throws Exception {
        Store store = new InMemoryStore();
        CompletableFuture<Communicator> second =
                CompletableFuture.supplyAsync(() -> connect(1, store), threads);
        // If the other fails, nobody tells this one, which waits for its deadline.
        second.whenComplete((communicator, failure) -> close(communicator));
        try {
            close(connect(0, new LosingStore(store, calls)));
        } catch (IllegalStateException e) {
            assertThat(e).hasMessage("the store is lost");
            return false;
        }
        assertThat(second.get(20, TimeUnit.SECONDS)).isNotNull();
        return true;
    }

    private Communicator connect(int rank, Store store) {
        return new TcpProvider(TcpOptions.defaults().withSharedMemory(folder))
                .connect(
                        new GroupContext(
                                rank,
                                2,
                                rank,
                                "host",
                                MemoryDevice.HOST,
                                store,
                                Duration.ofSeconds(10)));
    }

    private static void close(@Nullable Communicator communicator) {
        if (communicator != null) {
            communicator.close();
        }
    }

    @Test
    @Tag("process")
    @EnabledOnOs(value = OS.LINUX, disabledReason = "processes are told by /proc")
    void processThatEndsInGoodOrderUnlinksItsFilesAndTheNextOneThoseOfAKilledOne()
            throws IOException {
        assertThat(run("exit").exitCode()).isEqualTo(3);
        assertThat(files()).isEmpty();
        JavaProcess.Result late = run("late");
        assertThat(late.exitCode()).isEqualTo(4);
        assertThat(late.values("found"))
                .as("while it ends; %s", late.output())
                .containsExactly("2");
        assertThat(files()).isEmpty();
        assertThat(run("halt").exitCode()).isEqualTo(5);
        assertThat(files()).as("of a process that was killed").hasSize(1);
        new SharedMemory(folder, 1 << 20).removeStale();
        assertThat(files()).isEmpty();
    }

    @Test
    void nothingIsMadeWithoutRoom() throws IOException {
        SharedMemory small = new SharedMemory(folder, 1000);
        assertThatThrownBy(() -> small.create("yolo-ddp-x", 1001))
                .isInstanceOf(IOException.class)
                .hasMessage("more than the limit of 1000 bytes");
        assertThat(files()).isEmpty();
    }

    private JavaProcess.Result run(String how) {
        return JavaProcess.of(LeavingProcess.class, folder.toString(), how).run();
    }

    private List<String> files() throws IOException {
        try (Stream<Path> list = Files.list(folder)) {
            return list.map(file -> file.getFileName().toString()).toList();
        }
    }
}
