package org.yoloddp.nccl;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.GroupContext;
import org.yoloddp.comm.HostBuffer;
import org.yoloddp.comm.InMemoryStore;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.comm.ReduceOp;
import org.yoloddp.comm.StreamEvent;
import org.yoloddp.comm.Work;

/**
 * Device buffers of two ranks, filled and read by streams that are late, over the test double: the
 * right sum comes out if each wait is there, and does not if one is left out.
 */
@Tag("process")
@EnabledOnOs(value = OS.LINUX, architectures = "amd64")
class NcclStreamOrderTest {

    private static final Duration LONG = Duration.ofSeconds(30);
    private static final int COUNT = 1000;

    /** So many kernels before the one that counts take 400 milliseconds of the double's time. */
    private static final int EARLIER = 2000;

    @Test
    void collectivesAreOrderedWithTheStreamsOfTheirUsers() throws Exception {
        assertThat(wrong(EnumSet.allOf(StreamWait.class))).containsExactly(0L, 0L);
    }

    @ParameterizedTest
    @EnumSource(
            value = StreamWait.class,
            names = {"PRODUCER", "CONSUMER"})
    void aMissingWaitGivesWrongNumbers(StreamWait missing) throws Exception {
        assertThat(wrong(EnumSet.complementOf(EnumSet.of(missing))))
                .allSatisfy(wrong -> assertThat(wrong).isEqualTo(COUNT));
    }

    /** How many elements of the sum are wrong on each rank. */
    private static List<Long> wrong(Set<StreamWait> kept) throws Exception {
        TestDouble.provider();
        NcclProvider provider = new NcclProvider(NcclOptions.defaults(), kept);
        InMemoryStore store = new InMemoryStore();
        ExecutorService threads = Executors.newFixedThreadPool(2);
        try {
            List<Future<Long>> ranks = new ArrayList<>();
            for (int rank = 0; rank < 2; rank++) {
                GroupContext context =
                        new GroupContext(
                                rank, 2, rank, "here", new MemoryDevice("cuda", rank), store, LONG);
                ranks.add(threads.submit(() -> wrong(provider, context)));
            }
            List<Long> wrong = new ArrayList<>();
            for (Future<Long> rank : ranks) {
                wrong.add(rank.get(60, TimeUnit.SECONDS));
            }
            return wrong;
        } finally {
            threads.shutdownNow();
        }
    }

    private static long wrong(NcclProvider provider, GroupContext context) {
        Cuda cuda = NcclLibrary.load(NcclOptions.defaults()).cuda();
        try (Communicator c = provider.connect(context);
                NcclStream stream = NcclStream.create(cuda, context.rank());
                CommBuffer buffer = c.allocate(DType.U8, COUNT, context.device())) {
            for (int i = 0; i < EARLIER; i++) {
                cuda.memsetAsync(buffer.address(), 0, COUNT, stream.handle());
            }
            cuda.memsetAsync(buffer.address(), context.rank() + 1, COUNT, stream.handle());
            Work work = c.allReduce(buffer, ReduceOp.SUM, stream, "bucket 0");
            work.orderBefore(stream);
            try (HostBuffer result = HostBuffer.allocate(DType.U8, COUNT)) {
                cuda.memcpyAsync(result.address(), buffer.address(), COUNT, stream.handle());
                await(stream);
                work.await(LONG);
                long wrong = 0;
                for (int i = 0; i < COUNT; i++) {
                    wrong += result.bytes().get(i) == 1 + 2 ? 0 : 1;
                }
                return wrong;
            }
        }
    }

    private static void await(NcclStream stream) {
        try (StreamEvent event = stream.record()) {
            long end = System.nanoTime() + LONG.toNanos();
            while (!event.hasPassed()) {
                assertThat(System.nanoTime()).isLessThan(end);
                Thread.onSpinWait();
            }
        }
    }
}
