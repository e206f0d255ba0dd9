package org.yoloddp.comm;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.comm.tcp.TcpOptions;
import org.yoloddp.comm.tcp.TcpProvider;

/** Ranks that are threads, each with its own mapping of the shared memory. */
class SharedMemoryCommunicatorTest extends CommunicatorFailureContract {

    @TempDir private Path folder;

    @Override
    protected List<Communicator> connect(int size, Duration deadline) throws Exception {
        return connect(TcpOptions.defaults(), size, deadline);
    }

    private static List<Communicator> connect(TcpOptions options, int size, Duration deadline)
            throws Exception {
        return Connections.connect(
                new TcpProvider(options), size, deadline, rank -> GroupContext.localHostId());
    }

    @Test
    void sharedAndOrdinaryMemoryHaveTheBitsOfTheDefinition() throws Exception {
        SplittableRandom random = new SplittableRandom(3);
        for (int size = 2; size <= 4; size++) {
            List<Communicator> world = world(size);
            for (int round = 0; round < 12; round++) {
                DType dtype = DType.values()[random.nextInt(DType.values().length)];
                ReduceOp op = dtype.isFloating() ? ReduceOp.AVG : ReduceOp.SUM;
                int count = 1 + random.nextInt(round % 3 == 0 ? 1_500_000 : 100_000);
                long ordinary = random.nextInt(1 << size);
                byte[][] parts = new byte[size][];
                Arrays.setAll(parts, r -> NaiveReduction.contribution(dtype, count, r + 17L));
                byte[] expected = NaiveReduction.reduce(dtype, op, parts);
                List<byte[]> results =
                        RankGroup.results(
                                world,
                                c -> {
                                    boolean foreign = (ordinary >> c.rank() & 1) == 1;
                                    try (CommBuffer b =
                                            foreign
                                                    ? HostBuffer.allocate(dtype, count)
                                                    : c.allocate(dtype, count)) {
                                        b.bytes().put(0, parts[c.rank()]);
                                        allReduce(c, b, op, "r").await(LONG);
                                        return content(b);
                                    }
                                });
                for (byte[] result : results) {
                    assertThat(
                                    Arrays.equals(
                                            NaiveReduction.canonical(dtype, result),
                                            NaiveReduction.canonical(dtype, expected)))
                            .as("%d x %s over %d, ordinary %s", count, dtype, size, ordinary)
                            .isTrue();
                }
                assertThat(Arrays.equals(results.get(0), parts[0])).isFalse();
            }
        }
    }

    /** Rank 1 takes part in 20 calls, which are more than others see at once, and then computes. */
    @Test
    void whoWaitsDoesTheWorkOfWhoComputes() throws Exception {
        List<Communicator> world = world(2);
        CountDownLatch waited = new CountDownLatch(1);
        List<Float> results =
                RankGroup.results(
                        world,
                        c -> {
                            CommBuffer[] buckets = new CommBuffer[20];
                            Work last = null;
                            for (int i = 0; i < buckets.length; i++) {
                                buckets[i] = c.allocate(DType.F32, 300_000);
                                buckets[i].bytes().putFloat(1_199_996, c.rank() + i);
                                last = allReduce(c, buckets[i], ReduceOp.SUM, "bucket " + i);
                            }
                            if (c.rank() == 1) {
                                assertThat(waited.await(LONG.toSeconds(), TimeUnit.SECONDS))
                                        .as("the other does not need this rank")
                                        .isTrue();
                            }
                            last.await(LONG);
                            waited.countDown();
                            return buckets[19].bytes().getFloat(1_199_996);
                        });
        assertThat(results).containsExactly(39f, 39f);
    }

    @Test
    void whatIsOnlyLookedForEndsSoonAndWhatNobodyLooksForEndsToo() throws Exception {
        List<Long> millis =
                RankGroup.results(
                        world(2),
                        c -> {
                            CommBuffer b = c.allocate(DType.F32, 2_000_000);
                            long start = System.nanoTime();
                            Work work = allReduce(c, b, ReduceOp.SUM, "looked for");
                            while (!work.isDone() && System.nanoTime() - start < LONG.toNanos()) {
                                LockSupport.parkNanos(1_000_000);
                            }
                            long end = System.nanoTime();
                            c.barrier("between").await(LONG);
                            CountDownLatch ended = new CountDownLatch(1);
                            Work unseen = allReduce(c, b, ReduceOp.SUM, "nobody looks for");
                            assertThat(unseen.whenEnded(ended::countDown)).isTrue();
                            assertThat(ended.await(LONG.toSeconds(), TimeUnit.SECONDS)).isTrue();
                            return (end - start) / 1_000_000;
                        });
        // If nobody were in a hurry for it, it would take a second.
        assertThat(millis).allSatisfy(time -> assertThat(time).isLessThan(600));
    }

    @Test
    void everyOperationTakesOrdinaryMemory() throws Exception {
        long[] counts = {400_000, 0, 300_000};
        List<float[]> results =
                RankGroup.results(
                        world(3),
                        c -> {
                            try (HostBuffer b = HostBuffer.allocate(DType.F32, 700_000)) {
                                long from = c.rank() == 2 ? 400_000 : 0;
                                for (long i = from; i < from + counts[c.rank()]; i++) {
                                    b.bytes().putFloat((int) i * 4, i + c.rank());
                                }
                                c.allGather(b, counts, ComputeStream.HOST, "gather");
                                c.reduceScatter(
                                        b, counts, ReduceOp.SUM, ComputeStream.HOST, "scatter");
                                c.broadcast(b, 2, ComputeStream.HOST, "broadcast");
                                if (c.rank() == 1) {
                                    c.recv(b, 0, ComputeStream.HOST, "message");
                                } else if (c.rank() == 0) {
                                    b.bytes();
                                    c.send(b, 1, ComputeStream.HOST, "message");
                                }
                                c.barrier("end").await(LONG);
                                return new float[] {
                                    b.bytes().getFloat(4 * 500_000), b.bytes().getFloat(4 * 699_999)
                                };
                            }
                        });
        // 500 000 + 2, summed over three ranks
        assertThat(results).allSatisfy(r -> assertThat(r).containsExactly(1_500_006f, 2_100_003f));
    }

    @Test
    void bucketsThatDoNotFitAreExchangedByCopying() throws Exception {
        TcpOptions little =
                TcpOptions.defaults().withSharedMemory(folder).withSharedMemoryLimit(6 << 20);
        List<Communicator> world = connect(little, 2, LONG);
        List<Float> results =
                RankGroup.results(
                        world,
                        c -> {
                            CommBuffer fits = c.allocate(DType.F32, 1000);
                            CommBuffer tooLarge = c.allocate(DType.F32, 4_000_000);
                            fits.bytes().putFloat(0, c.rank() + 1);
                            tooLarge.bytes().putFloat(15_999_996, c.rank() + 1);
                            allReduce(c, fits, ReduceOp.SUM, "a");
                            allReduce(c, tooLarge, ReduceOp.SUM, "b").await(LONG);
                            assertThat(fits.bytes().getFloat(0)).isEqualTo(3f);
                            return tooLarge.bytes().getFloat(15_999_996);
                        });
        world.forEach(Communicator::close);
        assertThat(results).containsExactly(3f, 3f);
    }

    @Test
    void noFileIsLeftOnceAllHaveMappedIt() throws Exception {
        List<Communicator> world = connect(TcpOptions.defaults().withSharedMemory(folder), 3, LONG);
        RankGroup.results(
                world,
                c -> {
                    c.allocate(DType.F32, 3_000_000);
                    return true;
                });
        long end = System.nanoTime() + LONG.toNanos();
        while (!files().isEmpty() && System.nanoTime() < end) {
            Thread.onSpinWait();
        }
        assertThat(files()).isEmpty();
        world.forEach(Communicator::close);
    }

    @Test
    void whatDeadProcessesHaveLeftIsRemovedAndNothingElse() throws Exception {
        String me = "yolo-ddp-" + namespace() + "-" + ProcessHandle.current().pid() + "-";
        Path dead = Files.createFile(folder.resolve(me + "1-abc-0-1"));
        Path elsewhere = Files.createFile(folder.resolve("yolo-ddp-7-1-1-abc-0-1"));
        Path other = Files.createFile(folder.resolve("yolo-ddp-notes.txt"));
        connect(TcpOptions.defaults().withSharedMemory(folder), 2, LONG)
                .forEach(Communicator::close);
        assertThat(dead).doesNotExist();
        assertThat(files()).containsExactlyInAnyOrder(elsewhere, other);
    }

    private static String namespace() throws IOException {
        return Files.readSymbolicLink(Path.of("/proc/self/ns/pid"))
                .toString()
                .replaceAll("\\D", "");
    }

    private List<Path> files() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return new ArrayList<>(files.toList());
        }
    }
}
