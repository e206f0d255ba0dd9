package org.yoloddp.nccl;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.assertj.core.api.Assertions;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.GroupContext;
import org.yoloddp.comm.HostBuffer;
import org.yoloddp.comm.InMemoryStore;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.comm.ReduceOp;
import org.yoloddp.comm.Work;

/**
 * Every collective on the memory of devices, by ranks that are threads with a device each: of whole
 * numbers, whose sums are exact in any order.
 */
abstract class DeviceCollectivesContract {

    private static final Duration LONG = Duration.ofSeconds(60);

    /** Who connects; skips the test where there is nothing to connect. */
    protected abstract NcclProvider provider() throws Exception;

    /** How many ranks there are, at least 2; asked after {@link #provider}. */
    protected abstract int ranks();

    /** A rank at work. */
    private record Member(Communicator c, RawNccl raw, MemoryDevice device) {

        CommBuffer upload(float... values) {
            CommBuffer buffer = c.allocate(DType.F32, values.length, device);
            try (HostBuffer host = HostBuffer.allocate(DType.F32, values.length)) {
                host.bytes().asFloatBuffer().put(0, values);
                raw.copy(buffer.address(), host.address(), 4L * values.length);
                raw.await("an upload", LONG);
            }
            return buffer;
        }

        /** Reads behind a collective, which the host has not waited for. */
        float[] result(CommBuffer buffer, Work work) {
            work.orderBefore(raw.stream());
            float[] values = new float[(int) buffer.count()];
            try (HostBuffer host = HostBuffer.allocate(DType.F32, values.length)) {
                raw.copy(host.address(), buffer.address(), 4L * values.length);
                raw.await("a download", LONG);
                host.bytes().asFloatBuffer().get(0, values);
            }
            work.await(LONG);
            return values;
        }
    }

    private interface Body {
        float[] run(Member member);
    }

    /** What each rank has got, by rank. */
    private List<float[]> onRanks(Body body) throws Exception {
        NcclProvider provider = provider();
        int size = ranks();
        InMemoryStore store = new InMemoryStore();
        ExecutorService threads = Executors.newFixedThreadPool(size);
        try {
            List<Future<float[]>> results = new ArrayList<>();
            for (int rank = 0; rank < size; rank++) {
                MemoryDevice device = new MemoryDevice("cuda", rank);
                GroupContext context =
                        new GroupContext(rank, size, rank, "here", device, store, LONG);
                results.add(threads.submit(() -> onRank(provider, context, body)));
            }
            List<float[]> found = new ArrayList<>();
            for (Future<float[]> result : results) {
                found.add(result.get(120, TimeUnit.SECONDS));
            }
            return found;
        } finally {
            threads.shutdownNow();
        }
    }

    private static float[] onRank(NcclProvider provider, GroupContext context, Body body) {
        try (Communicator c = provider.connect(context);
                RawNccl raw = RawNccl.open(NcclOptions.defaults(), context.device())) {
            float[] found = body.run(new Member(c, raw, context.device()));
            c.barrier("end").await(LONG);
            return found;
        }
    }

    private static float[] reduce(Member m, ReduceOp op) {
        CommBuffer buffer = m.upload(m.c().rank() + 1, 10 * m.c().rank(), -m.c().rank());
        return m.result(buffer, m.c().allReduce(buffer, op, m.raw().stream(), "reduce"));
    }

    @Test
    void allReduceCombines() throws Exception {
        List<float[]> sums = onRanks(m -> reduce(m, ReduceOp.SUM));
        int n = sums.size();
        int sum = n * (n - 1) / 2;
        assertThat(sums).allSatisfy(f -> assertThat(f).containsExactly(sum + n, 10 * sum, -sum));
        assertThat(onRanks(m -> reduce(m, ReduceOp.MAX)))
                .allSatisfy(f -> assertThat(f).containsExactly(n, 10 * (n - 1), 0));
        assertThat(onRanks(m -> reduce(m, ReduceOp.MIN)))
                .allSatisfy(f -> assertThat(f).containsExactly(1, 0, 1 - n));
        float average = sum / (float) n;
        assertThat(onRanks(m -> reduce(m, ReduceOp.AVG)))
                .allSatisfy(
                        f -> {
                            assertThat(f[0]).isCloseTo(average + 1, within());
                            assertThat(f[1]).isCloseTo(10 * average, within());
                        });
    }

    private static Offset<Float> within() {
        return Assertions.within(1e-4f);
    }

    @Test
    void broadcastGivesTheRootsNumbers() throws Exception {
        List<float[]> found =
                onRanks(
                        m -> {
                            CommBuffer buffer = m.upload(m.c().rank() + 5, 7 * m.c().rank());
                            return m.result(
                                    buffer, m.c().broadcast(buffer, 1, m.raw().stream(), "from 1"));
                        });
        assertThat(found).allSatisfy(f -> assertThat(f).containsExactly(6, 7));
    }

    /** Rank r has r + 1 elements. */
    private static long[] unlike(int size) {
        long[] counts = new long[size];
        for (int rank = 0; rank < size; rank++) {
            counts[rank] = rank + 1;
        }
        return counts;
    }

    private static float[] places(int size, float factor) {
        float[] values = new float[size * (size + 1) / 2];
        for (int i = 0; i < values.length; i++) {
            values[i] = factor * (i + 1);
        }
        return values;
    }

    @Test
    void allGatherCollectsUnlikeShares() throws Exception {
        List<float[]> found =
                onRanks(
                        m -> {
                            int size = m.c().size();
                            int rank = m.c().rank();
                            float[] mine = new float[size * (size + 1) / 2];
                            int from = rank * (rank + 1) / 2;
                            for (int i = from; i <= from + rank; i++) {
                                mine[i] = i + 1;
                            }
                            CommBuffer buffer = m.upload(mine);
                            return m.result(
                                    buffer,
                                    m.c().allGather(
                                                    buffer,
                                                    unlike(size),
                                                    m.raw().stream(),
                                                    "shares"));
                        });
        assertThat(found).allSatisfy(f -> assertThat(f).containsExactly(places(found.size(), 1)));
    }

    @Test
    void reduceScatterLeavesEachItsShare() throws Exception {
        List<float[]> found =
                onRanks(
                        m -> {
                            int size = m.c().size();
                            CommBuffer buffer = m.upload(places(size, m.c().rank() + 1));
                            return m.result(
                                    buffer,
                                    m.c().reduceScatter(
                                                    buffer,
                                                    unlike(size),
                                                    ReduceOp.SUM,
                                                    m.raw().stream(),
                                                    "shares"));
                        });
        int n = found.size();
        float[] sums = places(n, n * (n + 1) / 2);
        for (int rank = 0; rank < n; rank++) {
            for (int i = rank * (rank + 1) / 2; i < (rank + 1) * (rank + 2) / 2; i++) {
                assertThat(found.get(rank)[i])
                        .as("element %s of rank %s", i, rank)
                        .isEqualTo(sums[i]);
            }
        }
    }

    @Test
    void messagesArrive() throws Exception {
        List<float[]> found =
                onRanks(
                        m -> {
                            CommBuffer buffer = m.upload(m.c().rank() == 0 ? 42 : 1, 3);
                            Work work =
                                    switch (m.c().rank()) {
                                        case 0 -> m.c().send(buffer, 1, m.raw().stream(), "hello");
                                        case 1 -> m.c().recv(buffer, 0, m.raw().stream(), "hello");
                                        default -> m.c().barrier("none");
                                    };
                            float[] result = m.result(buffer, work);
                            if (m.c().rank() < 2) {
                                m.c().barrier("none").await(LONG);
                            }
                            return result;
                        });
        assertThat(found.get(1)).containsExactly(42, 3);
    }

    @Test
    void aSplitGroupReducesByItself() throws Exception {
        List<float[]> found =
                onRanks(
                        m -> {
                            Optional<Communicator> pair = m.c().split("pair", 1, 0);
                            if (pair.isEmpty()) {
                                return new float[] {0};
                            }
                            CommBuffer buffer = m.upload(m.c().rank() + 1);
                            return m.result(
                                    buffer,
                                    pair.get()
                                            .allReduce(
                                                    buffer,
                                                    ReduceOp.SUM,
                                                    m.raw().stream(),
                                                    "pair"));
                        });
        assertThat(found.get(0)).containsExactly(3);
        assertThat(found.get(1)).containsExactly(3);
    }

    @Test
    void freeMemoryIsTold() throws Exception {
        assertThat(onRanks(m -> new float[] {m.raw().freeBytes()}))
                .allSatisfy(f -> assertThat(f[0]).isGreaterThan(1e6f));
    }
}
