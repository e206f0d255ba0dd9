package org.yoloddp.comm;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.function.IntFunction;
import org.junit.jupiter.api.Test;
import org.yoloddp.comm.inprocess.InProcessCommunicator;
import org.yoloddp.comm.tcp.TcpOptions;
import org.yoloddp.comm.tcp.TcpProvider;

/** Ranks on two hosts, which share memory within each and sockets between them. */
class TwoHostsCommunicatorTest {

    private static final Duration LONG = Duration.ofSeconds(30);

    @Test
    void bitsAreThoseOfOneProcess() throws Exception {
        hasTheBitsOfOneProcess(4, rank -> "host " + rank / 2, 24);
    }

    @Test
    void bitsAreThoseOfOneProcessAlsoWhereHostsTakeTurnsWithRanks() throws Exception {
        hasTheBitsOfOneProcess(5, rank -> "host " + rank % 2, 12);
    }

    private static void hasTheBitsOfOneProcess(int size, IntFunction<String> host, int rounds)
            throws Exception {
        List<Communicator> hosts = Connections.connect(new TcpProvider(), size, LONG, host);
        List<Communicator> threads = InProcessCommunicator.group(size, LONG);
        SplittableRandom random = new SplittableRandom(size);
        int differences = 0;
        for (int round = 0; round < rounds; round++) {
            DType dtype = DType.values()[random.nextInt(DType.values().length)];
            List<ReduceOp> operations = NaiveReduction.operations(dtype);
            ReduceOp how = operations.get(random.nextInt(operations.size()));
            int count = 1 + random.nextInt(round % 4 == 0 ? 900_000 : 5_000);
            long ordinary = random.nextInt(1 << size);
            int what = random.nextInt(4);
            long seed = round;
            RankGroup.Body<byte[]> body = c -> run(c, dtype, how, count, what, ordinary, seed);
            List<byte[]> expected = RankGroup.results(threads, body);
            List<byte[]> results = RankGroup.results(hosts, body);
            for (int rank = 0; rank < size; rank++) {
                assertThat(
                                Arrays.equals(
                                        NaiveReduction.canonical(dtype, results.get(rank)),
                                        NaiveReduction.canonical(dtype, expected.get(rank))))
                        .as("%d: %s %d x %s %d", rank, how, count, dtype, what)
                        .isTrue();
                byte[] before = NaiveReduction.contribution(dtype, count, seed * 10 + rank);
                differences += Arrays.equals(results.get(rank), before) ? 0 : 1;
            }
        }
        hosts.forEach(Communicator::close);
        threads.forEach(Communicator::close);
        assertThat(differences).as("results that are no contribution").isGreaterThan(rounds * 2);
    }

    private static byte[] run(
            Communicator c,
            DType dtype,
            ReduceOp op,
            int count,
            int what,
            long ordinary,
            long seed) {
        long[] counts = new long[c.size()];
        for (int r = 0; r < c.size(); r++) {
            counts[r] = count / c.size() + (r < count % c.size() ? 1 : 0);
        }
        boolean foreign = (ordinary >> c.rank() & 1) == 1;
        try (CommBuffer b =
                foreign ? HostBuffer.allocate(dtype, count) : c.allocate(dtype, count)) {
            b.bytes().put(0, NaiveReduction.contribution(dtype, count, seed * 10 + c.rank()));
            CommBuffer shown = b;
            switch (what) {
                case 0 ->
                        c.broadcast(b, (int) (seed % c.size()), ComputeStream.HOST, "b")
                                .await(LONG);
                case 1 -> c.allGather(b, counts, ComputeStream.HOST, "g").await(LONG);
                case 2 -> {
                    c.reduceScatter(b, counts, op, ComputeStream.HOST, "s").await(LONG);
                    long from = Arrays.stream(counts, 0, c.rank()).sum();
                    shown = b.slice(from, counts[c.rank()]);
                }
                default -> c.allReduce(b, op, ComputeStream.HOST, "r").await(LONG);
            }
            return CommunicatorContract.content(shown);
        }
    }

    @Test
    void withoutSharedMemoryRanksOfOneHostUseSockets() throws Exception {
        TcpProvider full = new TcpProvider(TcpOptions.defaults().withSharedMemoryLimit(0));
        List<Communicator> world = Connections.connect(full, 3, LONG, rank -> "one host");
        List<Float> results =
                RankGroup.results(
                        world,
                        c -> {
                            try (CommBuffer b = c.allocate(DType.F32, 100_000)) {
                                b.bytes().putFloat(0, c.rank() + 1);
                                c.allReduce(b, ReduceOp.SUM, ComputeStream.HOST, "a").await(LONG);
                                return b.bytes().getFloat(0);
                            }
                        });
        assertThat(results).containsExactly(6f, 6f, 6f);
        world.forEach(Communicator::close);
    }

    @Test
    void messagesAndSplitGroupsCrossHosts() throws Exception {
        List<Communicator> world =
                Connections.connect(new TcpProvider(), 4, LONG, rank -> "host " + rank / 2);
        List<Float> results =
                RankGroup.results(
                        world,
                        c -> {
                            Communicator across =
                                    c.split("even", 2, 0).or(() -> Optional.of(c)).orElseThrow();
                            try (CommBuffer b = c.allocate(DType.F32, 300_000)) {
                                b.bytes().putFloat(1_199_996, c.rank() + 1);
                                if (across != c) {
                                    across.allReduce(b, ReduceOp.SUM, ComputeStream.HOST, "a");
                                    across.barrier("end").await(LONG);
                                } else if (c.rank() == 1) {
                                    c.send(b, 3, ComputeStream.HOST, "m").await(LONG);
                                } else {
                                    c.recv(b, 1, ComputeStream.HOST, "m").await(LONG);
                                }
                                c.barrier("all").await(LONG);
                                return b.bytes().getFloat(1_199_996);
                            }
                        });
        assertThat(results).containsExactly(4f, 2f, 4f, 2f);
        world.forEach(Communicator::close);
    }
}
