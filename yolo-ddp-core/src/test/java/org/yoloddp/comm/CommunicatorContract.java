package org.yoloddp.comm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What every communicator holds when nothing goes wrong. */
abstract class CommunicatorContract {

    static final Duration LONG = Duration.ofSeconds(30);

    private final List<Communicator> opened = new ArrayList<>();

    /** Connects the ranks of a world, each to be used by a thread of its own. */
    protected abstract List<Communicator> connect(int size, Duration deadline) throws Exception;

    final List<Communicator> world(int size) throws Exception {
        return world(size, LONG);
    }

    final List<Communicator> world(int size, Duration deadline) throws Exception {
        List<Communicator> world = connect(size, deadline);
        opened.addAll(world);
        return world;
    }

    @AfterEach
    final void closeAll() {
        opened.forEach(Communicator::close);
    }

    static Work allReduce(Communicator c, CommBuffer buffer, ReduceOp op, String tag) {
        return c.allReduce(buffer, op, ComputeStream.HOST, tag);
    }

    static CommBuffer buffer(Communicator c, DType dtype, byte[] content) {
        CommBuffer buffer = c.allocate(dtype, content.length / dtype.bytes());
        buffer.bytes().put(0, content);
        return buffer;
    }

    static CommBuffer floats(Communicator c, float... values) {
        CommBuffer buffer = c.allocate(DType.F32, values.length);
        buffer.bytes().asFloatBuffer().put(0, values);
        return buffer;
    }

    static float[] floats(CommBuffer buffer) {
        float[] values = new float[(int) buffer.count()];
        buffer.bytes().asFloatBuffer().get(0, values);
        return values;
    }

    static byte[] content(CommBuffer buffer) {
        ByteBuffer bytes = buffer.bytes();
        byte[] content = new byte[bytes.capacity()];
        bytes.get(0, content);
        return content;
    }

    @Test
    void ranksKnowTheirPlace() throws Exception {
        List<Communicator> world = world(3);
        for (int rank = 0; rank < 3; rank++) {
            assertThat(world.get(rank).rank()).isEqualTo(rank);
            assertThat(world.get(rank).size()).isEqualTo(3);
            assertThat(world.get(rank).group()).isEqualTo("world");
            assertThat(world.get(rank).deadline()).isEqualTo(LONG);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 5})
    void reductionsHaveTheBitsOfTheDefinition(int size) throws Exception {
        List<Communicator> world = world(size);
        for (int count : new int[] {0, 1, 7, 256, 1023, 140_001}) {
            for (DType dtype : DType.values()) {
                if (count > 10_000 && dtype != DType.F32 && dtype != DType.BF16) {
                    continue;
                }
                byte[][] contributions = new byte[size][];
                Arrays.setAll(contributions, r -> NaiveReduction.contribution(dtype, count, r));
                for (ReduceOp op : NaiveReduction.operations(dtype)) {
                    byte[] expected = NaiveReduction.reduce(dtype, op, contributions);
                    for (byte[] result :
                            RankGroup.results(world, c -> reduced(c, dtype, op, contributions))) {
                        assertThat(NaiveReduction.canonical(dtype, result))
                                .as("%s of %d x %s over %d", op, count, dtype, size)
                                .isEqualTo(NaiveReduction.canonical(dtype, expected));
                    }
                }
            }
        }
    }

    private static byte[] reduced(
            Communicator c, DType dtype, ReduceOp op, byte[][] contributions) {
        try (CommBuffer buffer = buffer(c, dtype, contributions[c.rank()])) {
            allReduce(c, buffer, op, "reduce").await(LONG);
            return content(buffer);
        }
    }

    @Test
    void bitsDoNotDependOnTheLayoutOfBuckets() throws Exception {
        int count = 200_003;
        List<byte[]> results =
                RankGroup.results(
                        world(3),
                        c -> {
                            byte[] mine = NaiveReduction.contribution(DType.F32, count, c.rank());
                            try (CommBuffer whole = buffer(c, DType.F32, mine);
                                    CommBuffer parts = buffer(c, DType.F32, mine)) {
                                allReduce(c, whole, ReduceOp.AVG, "whole").await(LONG);
                                List<Work> works = new ArrayList<>();
                                for (long from = 0; from < count; from += 33_333) {
                                    long n = Math.min(33_333, count - from);
                                    CommBuffer part = parts.slice(from, n);
                                    works.add(allReduce(c, part, ReduceOp.AVG, "part " + from));
                                }
                                works.forEach(w -> w.await(LONG));
                                assertThat(Arrays.equals(content(whole), content(parts))).isTrue();
                                assertThat(Arrays.equals(content(whole), mine)).isFalse();
                                return content(whole);
                            }
                        });
        assertThat(results.get(1)).isEqualTo(results.get(0));
        assertThat(results.get(2)).isEqualTo(results.get(0));
    }

    @Test
    void averageOfIntegersIsRefused() throws Exception {
        Communicator c = world(2).get(0);
        try (CommBuffer buffer = c.allocate(DType.I64, 1)) {
            assertThatThrownBy(() -> allReduce(c, buffer, ReduceOp.AVG, "count"))
                    .isInstanceOf(UnsupportedBufferException.class)
                    .hasMessage(
                            "AVG of I64 is not defined (collective 'count'): sum the integers and"
                                    + " divide, or use a floating-point type.");
        }
    }

    @Test
    void anyRankBroadcasts() throws Exception {
        List<Communicator> world = world(4);
        for (int count : new int[] {0, 5, 300_000}) {
            for (int root = 0; root < 4; root++) {
                int from = root;
                byte[] expected = NaiveReduction.contribution(DType.U8, count, root);
                List<byte[]> results =
                        RankGroup.results(
                                world,
                                c -> {
                                    byte[] mine =
                                            NaiveReduction.contribution(DType.U8, count, c.rank());
                                    try (CommBuffer buffer = buffer(c, DType.U8, mine)) {
                                        c.broadcast(buffer, from, ComputeStream.HOST, "state")
                                                .await(LONG);
                                        return content(buffer);
                                    }
                                });
                assertThat(results).allSatisfy(r -> assertThat(r).isEqualTo(expected));
            }
        }
    }

    @Test
    void unevenSharesAreGathered() throws Exception {
        long[] counts = {3, 0, 100_000, 1};
        float[] expected = new float[100_004];
        Arrays.fill(expected, 0, 3, 1f);
        Arrays.fill(expected, 3, 100_003, 3f);
        expected[100_003] = 4f;
        List<float[]> results =
                RankGroup.results(
                        world(4),
                        c -> {
                            long before = Arrays.stream(counts, 0, c.rank()).sum();
                            try (CommBuffer buffer = c.allocate(DType.F32, 100_004)) {
                                for (long i = before; i < before + counts[c.rank()]; i++) {
                                    buffer.bytes().putFloat((int) i * 4, c.rank() + 1f);
                                }
                                c.allGather(buffer, counts, ComputeStream.HOST, "rows").await(LONG);
                                return floats(buffer);
                            }
                        });
        assertThat(results).allSatisfy(r -> assertThat(r).isEqualTo(expected));
    }

    @Test
    void reduceScatterGivesEachRankItsShareOfTheAllReduce() throws Exception {
        long[] counts = {1, 90_000, 0};
        int total = 90_001;
        List<Boolean> equal =
                RankGroup.results(
                        world(3),
                        c -> {
                            byte[] mine = NaiveReduction.contribution(DType.BF16, total, c.rank());
                            long before = Arrays.stream(counts, 0, c.rank()).sum();
                            try (CommBuffer a = buffer(c, DType.BF16, mine);
                                    CommBuffer b = buffer(c, DType.BF16, mine)) {
                                allReduce(c, a, ReduceOp.AVG, "all");
                                c.reduceScatter(
                                                b,
                                                counts,
                                                ReduceOp.AVG,
                                                ComputeStream.HOST,
                                                "share")
                                        .await(LONG);
                                return Arrays.equals(
                                        content(a.slice(before, counts[c.rank()])),
                                        content(b.slice(before, counts[c.rank()])));
                            }
                        });
        assertThat(equal).containsExactly(true, true, true);
    }

    @Test
    void sharesThatDoNotAddUpAreRefused() throws Exception {
        Communicator c = world(2).get(0);
        try (CommBuffer buffer = c.allocate(DType.F32, 4)) {
            assertThatThrownBy(
                            () ->
                                    c.allGather(
                                            buffer, new long[] {1, 2}, ComputeStream.HOST, "rows"))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage(
                            "The shares [1, 2] do not add up to the buffer's 4 elements on 2"
                                    + " ranks");
        }
    }

    @Test
    void messagesGoRoundARing() throws Exception {
        List<Float> results =
                RankGroup.results(
                        world(4),
                        c -> {
                            int next = (c.rank() + 1) % 4;
                            int before = (c.rank() + 3) % 4;
                            try (CommBuffer token = floats(c, c.rank() == 0 ? 1f : 0f)) {
                                if (c.rank() == 0) {
                                    c.send(token, next, ComputeStream.HOST, "token");
                                    c.recv(token, before, ComputeStream.HOST, "token").await(LONG);
                                } else {
                                    c.recv(token, before, ComputeStream.HOST, "token").await(LONG);
                                    token.bytes().putFloat(0, floats(token)[0] * 2);
                                    c.send(token, next, ComputeStream.HOST, "token").await(LONG);
                                }
                                return floats(token)[0];
                            }
                        });
        assertThat(results).containsExactly(8f, 2f, 4f, 8f);
    }

    @Test
    void messagesKeepTheirPlaceBetweenCollectives() throws Exception {
        List<Float> results =
                RankGroup.results(
                        world(3),
                        c -> {
                            try (CommBuffer b = floats(c, c.rank())) {
                                allReduce(c, b, ReduceOp.SUM, "first");
                                if (c.rank() == 0) {
                                    c.send(b, 2, ComputeStream.HOST, "m");
                                    c.recv(b, 2, ComputeStream.HOST, "n");
                                } else if (c.rank() == 2) {
                                    c.recv(b, 0, ComputeStream.HOST, "m");
                                    c.send(b, 0, ComputeStream.HOST, "n");
                                }
                                allReduce(c, b, ReduceOp.SUM, "second").await(LONG);
                                return floats(b)[0];
                            }
                        });
        assertThat(results).containsExactly(9f, 9f, 9f);
    }

    @Test
    void submissionsReturnBeforeOthersCome() throws Exception {
        List<Communicator> world = world(2);
        try (CommBuffer a = floats(world.get(0), 1f, 2f);
                CommBuffer b = floats(world.get(1), 3f, 5f)) {
            Work first = allReduce(world.get(0), a, ReduceOp.SUM, "x");
            Work second = world.get(0).barrier("y");
            assertThat(first.isDone()).isFalse();
            assertThat(second.isDone()).isFalse();
            assertThat(first.failure()).isEmpty();
            allReduce(world.get(1), b, ReduceOp.SUM, "x").orderBefore(ComputeStream.HOST);
            world.get(1).barrier("y").await(LONG);
            second.await(LONG);
            assertThat(first.isDone()).isTrue();
            assertThat(floats(a)).containsExactly(4f, 7f);
            assertThat(floats(b)).containsExactly(4f, 7f);
        }
    }

    @Test
    void manyLargeOperationsRunWhileNobodyWaits() throws Exception {
        List<Float> results =
                RankGroup.results(
                        world(2),
                        c -> {
                            List<CommBuffer> buffers = new ArrayList<>();
                            List<Work> works = new ArrayList<>();
                            for (int i = 0; i < 6; i++) {
                                CommBuffer b = c.allocate(DType.F32, 500_000);
                                b.bytes().putFloat(1_999_996, i + c.rank());
                                buffers.add(b);
                                works.add(allReduce(c, b, ReduceOp.SUM, "bucket " + i));
                            }
                            long end = System.nanoTime() + LONG.toNanos();
                            while (!works.get(5).isDone() && System.nanoTime() < end) {
                                Thread.onSpinWait();
                            }
                            assertThat(works).allMatch(Work::isDone);
                            return buffers.get(5).bytes().getFloat(1_999_996);
                        });
        assertThat(results).containsExactly(11f, 11f);
    }

    @Test
    void foreignMemoryIsReducedInPlace() throws Exception {
        List<Float> results =
                RankGroup.results(
                        world(2),
                        c -> {
                            try (CommBuffer owner = floats(c, 1f, 2f, 3f, c.rank() + 4f)) {
                                CommBuffer wrapped =
                                        c.wrap(
                                                owner.address() + 12,
                                                DType.F32,
                                                1,
                                                MemoryDevice.HOST,
                                                owner);
                                allReduce(c, wrapped, ReduceOp.AVG, "foreign").await(LONG);
                                wrapped.close();
                                return floats(owner)[3];
                            }
                        });
        assertThat(results).containsExactly(4.5f, 4.5f);
    }

    @Test
    void splitGroupsHaveTheirOwnOrder() throws Exception {
        List<Float> results =
                RankGroup.results(
                        world(4),
                        c -> {
                            Communicator pair =
                                    (c.rank() < 2 ? c.split("low", 1, 0) : skipped(c, "low", 1, 0))
                                            .orElse(null);
                            Optional<Communicator> high = c.split("high", 2, 3);
                            Communicator mine = pair != null ? pair : high.orElseThrow();
                            assertThat(mine.size()).isEqualTo(2);
                            assertThat(mine.rank())
                                    .isEqualTo(c.rank() < 2 ? 1 - c.rank() : c.rank() - 2);
                            assertThat(mine.group()).isEqualTo(c.rank() < 2 ? "low" : "high");
                            try (CommBuffer a = floats(c, c.rank());
                                    CommBuffer b = floats(c, c.rank())) {
                                Work world;
                                Work sub;
                                if (c.rank() % 2 == 0) {
                                    world = allReduce(c, a, ReduceOp.SUM, "world");
                                    sub = allReduce(mine, b, ReduceOp.SUM, "sub");
                                } else {
                                    sub = allReduce(mine, b, ReduceOp.SUM, "sub");
                                    world = allReduce(c, a, ReduceOp.SUM, "world");
                                }
                                sub.await(LONG);
                                world.await(LONG);
                                return floats(a)[0] * 100 + floats(b)[0];
                            }
                        });
        assertThat(results).containsExactly(601f, 601f, 605f, 605f);
    }

    private static Optional<Communicator> skipped(Communicator c, String name, int... ranks) {
        Optional<Communicator> none = c.split(name, ranks);
        assertThat(none).isEmpty();
        return none;
    }

    @Test
    void moreRanksThanCoresAgreeManyTimes() throws Exception {
        int size = 4 * Runtime.getRuntime().availableProcessors() + 3;
        List<Float> results =
                RankGroup.results(
                        world(size),
                        c -> {
                            SplittableRandom random = new SplittableRandom(c.rank());
                            try (CommBuffer b = c.allocate(DType.F32, 1000)) {
                                float expected = size * (size - 1) / 2f;
                                for (int i = 0; i < 100; i++) {
                                    if (random.nextInt(10) == 0) {
                                        Thread.onSpinWait();
                                    }
                                    b.bytes().putFloat(0, c.rank());
                                    allReduce(c, b, ReduceOp.SUM, "round").await(LONG);
                                    assertThat(floats(b)[0]).isEqualTo(expected);
                                }
                                return floats(b)[0];
                            }
                        });
        assertThat(results).hasSize(size);
    }

    @Test
    void interruptsDoNotCutAWaitShort() throws Exception {
        List<Communicator> world = world(2);
        List<Boolean> flags =
                RankGroup.results(
                        world,
                        c -> {
                            if (c.rank() == 0) {
                                Thread.currentThread().interrupt();
                                c.barrier("b").await(LONG);
                                return Thread.interrupted();
                            }
                            c.barrier("b").await(LONG);
                            return Thread.interrupted();
                        });
        assertThat(flags).containsExactly(true, false);
    }

    @Test
    void closeIsIdempotentAndEndsUse() throws Exception {
        List<Communicator> world = world(2);
        RankGroup.results(
                world,
                c -> {
                    c.barrier("last").await(LONG);
                    c.close();
                    c.close();
                    return true;
                });
        assertThatThrownBy(() -> world.get(1).barrier("late"))
                .isInstanceOf(CommunicatorClosedException.class)
                .hasMessage("rank 1 has closed its communicator of group 'world'");
    }

    @Test
    void closeWaitsForWhatAllHaveSubmitted() throws Exception {
        List<Communicator> world = world(2);
        List<Work> works = new ArrayList<>();
        for (Communicator c : world) {
            works.add(allReduce(c, c.allocate(DType.F32, 3_000_000), ReduceOp.SUM, "big"));
        }
        world.forEach(Communicator::close);
        assertThat(works).allMatch(Work::isDone).allMatch(w -> w.failure().isEmpty());
    }

    static List<Integer> ranks(int size) {
        return IntStream.range(0, size).boxed().toList();
    }
}
