package org.yoloddp.nccl;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletionService;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorCompletionService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
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
 * Two ranks, threads of this JVM, that sum device memory which a stream fills late, and use it in
 * the way that one of the {@link StreamWait}s is for: that one, which the argument names, is left
 * out. Without argument each is tried, and none left out. Prints how many elements each rank got
 * wrong.
 */
final class LateStreams {

    static final int COUNT = 1000;

    private static final Duration LONG = Duration.ofSeconds(30);

    /** So many kernels before the one that counts take 20 milliseconds of the double's time. */
    private static final int EARLIER = 100;

    private final StreamWait tried;
    private final Cuda cuda = NcclLibrary.load(NcclOptions.defaults()).cuda();
    private final CyclicBarrier together = new CyclicBarrier(2);

    private LateStreams(StreamWait tried) {
        this.tried = tried;
    }

    public static void main(String[] args) throws Exception {
        if (args.length > 0) {
            StreamWait missing = StreamWait.valueOf(args[0]);
            print(missing + " " + outcome(missing, EnumSet.complementOf(EnumSet.of(missing))));
        } else {
            for (StreamWait tried : StreamWait.values()) {
                print(tried + " " + outcome(tried, EnumSet.allOf(StreamWait.class)));
            }
        }
        System.exit(0);
    }

    private static String outcome(StreamWait tried, Set<StreamWait> kept) throws Exception {
        NcclProvider provider = new NcclProvider(NcclOptions.defaults(), kept);
        try {
            return "wrong=" + new LateStreams(tried).run(provider);
        } catch (ExecutionException e) {
            return "failed=" + e.getCause();
        }
    }

    private static void print(String line) {
        byte[] bytes = (line + "\n").getBytes(StandardCharsets.UTF_8);
        System.out.write(bytes, 0, bytes.length);
        System.out.flush();
    }

    /** Whichever rank fails first says why; the other one may wait for it for long. */
    private List<Long> run(NcclProvider provider) throws Exception {
        InMemoryStore store = new InMemoryStore();
        CompletionService<Long> ranks =
                new ExecutorCompletionService<>(Executors.newFixedThreadPool(2));
        for (int rank = 0; rank < 2; rank++) {
            MemoryDevice device = new MemoryDevice(NcclStream.CUDA, rank);
            GroupContext context = new GroupContext(rank, 2, rank, "here", device, store, LONG);
            ranks.submit(() -> wrong(provider, context));
        }
        List<Long> wrong = new ArrayList<>();
        for (int rank = 0; rank < 2; rank++) {
            Future<Long> done = ranks.poll(45, TimeUnit.SECONDS);
            if (done == null) {
                throw new ExecutionException(new IllegalStateException("a rank does not end"));
            }
            wrong.add(done.get());
        }
        return wrong;
    }

    private long wrong(NcclProvider provider, GroupContext context) throws Exception {
        try (Communicator c = provider.connect(context);
                NcclStream stream = NcclStream.create(cuda, context.rank());
                CommBuffer buffer = c.allocate(DType.U8, COUNT, context.device());
                HostBuffer result = HostBuffer.allocate(DType.U8, COUNT)) {
            // What a first collective does once, such as loading classes, takes longer than 20 ms.
            c.allReduce(buffer, ReduceOp.SUM, stream, "warm up").await(LONG);
            together.await(20, TimeUnit.SECONDS);
            for (int i = 0; i < EARLIER; i++) {
                cuda.memsetAsync(buffer.address(), 0, COUNT, stream.handle());
            }
            cuda.memsetAsync(buffer.address(), context.rank() + 1, COUNT, stream.handle());
            Work work = c.allReduce(buffer, ReduceOp.SUM, stream, "bucket 0");
            if (tried == StreamWait.HOST) {
                // The host reads as soon as it is told that the collective is done.
                work.await(LONG);
                HostBuffer view = HostBuffer.wrap(buffer.address(), DType.U8, COUNT, buffer);
                long wrong = wrong(view.bytes());
                await(() -> wrong(view.bytes()) == 0);
                together.await(20, TimeUnit.SECONDS);
                return wrong;
            }
            if (tried == StreamWait.MEMORY) {
                // The rank gives up its memory while the collective is still to come.
                buffer.close();
                work.await(LONG);
                c.allReduce(buffer(c, context), ReduceOp.SUM, stream, "next").await(LONG);
                return 0;
            }
            work.orderBefore(stream);
            cuda.memcpyAsync(result.address(), buffer.address(), COUNT, stream.handle());
            await(stream);
            work.await(LONG);
            return wrong(result.bytes());
        }
    }

    private static CommBuffer buffer(Communicator c, GroupContext context) {
        return c.allocate(DType.U8, COUNT, context.device());
    }

    private static long wrong(ByteBuffer sum) {
        long wrong = 0;
        for (int i = 0; i < COUNT; i++) {
            wrong += sum.get(i) == 1 + 2 ? 0 : 1;
        }
        return wrong;
    }

    private static void await(NcclStream stream) {
        try (StreamEvent event = stream.record()) {
            await(event::hasPassed);
        }
    }

    private static void await(BooleanSupplier done) {
        long end = System.nanoTime() + LONG.toNanos();
        while (!done.getAsBoolean()) {
            if (System.nanoTime() > end) {
                throw new IllegalStateException("the device does not end");
            }
            Thread.onSpinWait();
        }
    }
}
