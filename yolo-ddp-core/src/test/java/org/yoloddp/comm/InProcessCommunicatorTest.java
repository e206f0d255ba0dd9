package org.yoloddp.comm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.yoloddp.comm.inprocess.InProcessCommunicator;
import org.yoloddp.error.ConfigurationException;

class InProcessCommunicatorTest extends CommunicatorFailureContract {

    @Override
    protected List<Communicator> connect(int size, Duration deadline) {
        return InProcessCommunicator.group(size, deadline);
    }

    @Test
    void memoryThatIsNotOnTheHostIsRefusedByName() throws Exception {
        Communicator c = world(1).get(0);
        MemoryDevice gpu = new MemoryDevice("cuda", 1);
        assertThatThrownBy(() -> c.wrap(64, DType.F32, 1, gpu, this))
                .isInstanceOf(UnsupportedBufferException.class)
                .hasMessage(
                        "The communicator 'in-process' cannot work on the buffer of 'wrap' on"
                                + " device cuda:1; it supports cpu. Use a communicator for that device,"
                                + " or copy the data.");
        assertThatThrownBy(() -> c.allocate(DType.F32, 1, gpu))
                .isInstanceOf(UnsupportedBufferException.class)
                .hasMessage(
                        "The communicator of group 'world' has no memory on device cuda:1. Use a"
                                + " communicator for that device.");
        try (CommBuffer buffer = floats(c, 1f)) {
            assertThatThrownBy(
                            () ->
                                    c.allReduce(
                                            buffer,
                                            ReduceOp.SUM,
                                            TestDevice.stream(gpu),
                                            "bucket 0"))
                    .isInstanceOf(UnsupportedBufferException.class)
                    .hasMessageStartingWith(
                            "The communicator 'in-process' cannot work on the buffer of 'bucket 0'"
                                    + " on device cuda:1");
        }
    }

    @Test
    void groupsThatCannotBeAreRefused() {
        assertThatThrownBy(() -> InProcessCommunicator.group(0, LONG))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("A group needs at least 1 rank, not 0");
        assertThatThrownBy(() -> InProcessCommunicator.group(1, Duration.ZERO))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("The deadline must be positive, not PT0S");
    }

    @Test
    void noThreadIsLeftAfterClose() throws Exception {
        List<Communicator> world = world(3);
        RankGroup.results(
                world,
                c -> {
                    Communicator sub = c.split("sub", 0, 1, 2).orElseThrow();
                    try (CommBuffer b = c.allocate(DType.F32, 1_000_000)) {
                        Work work = allReduce(c, b, ReduceOp.SUM, "x");
                        allReduce(sub, b.slice(0, 10), ReduceOp.SUM, "y");
                        while (!work.isDone()) {
                            Thread.onSpinWait();
                        }
                        c.barrier("end").await(LONG);
                    }
                    return true;
                });
        assertThat(ownThreads()).isNotEmpty();
        world.forEach(Communicator::close);
        assertThat(ownThreads()).isEmpty();
    }

    @Test
    void aWatcherIsToldOfTheEndOnceAlthoughNobodyWaits() throws Exception {
        List<Communicator> world = world(2);
        AtomicInteger told = new AtomicInteger();
        try (CommBuffer first = floats(world.get(0), 1f);
                CommBuffer second = floats(world.get(1), 2f)) {
            Work work = allReduce(world.get(0), first, ReduceOp.SUM, "x");
            assertThat(work.whenEnded(told::incrementAndGet)).isTrue();
            assertThat(told).hasValue(0);
            allReduce(world.get(1), second, ReduceOp.SUM, "x");
            long limit = System.nanoTime() + LONG.toNanos();
            while (!work.isDone() && System.nanoTime() - limit < 0) {
                Thread.onSpinWait();
            }
            assertThat(told).hasValue(1);
            work.await(LONG);
            work.whenEnded(told::incrementAndGet);
            assertThat(told).hasValue(2);
        }
    }

    @Test
    void aWatcherIsToldOfAFailureToo() throws Exception {
        List<Communicator> world = world(2);
        AtomicInteger told = new AtomicInteger();
        Work work = world.get(0).barrier("never");
        work.whenEnded(told::incrementAndGet);
        world.get(1).abort(new IllegalStateException("on purpose"));
        assertThat(work.failure()).isPresent();
        assertThat(told).hasValue(1);
    }

    private static List<String> ownThreads() {
        return Thread.getAllStackTraces().keySet().stream()
                .map(Thread::getName)
                .filter(name -> name.matches("yolo-ddp-(world|sub)-\\d"))
                .toList();
    }
}
