package org.yoloddp;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import ai.djl.nn.Block;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import ai.djl.nn.norm.BatchNorm;
import ai.djl.training.dataset.ArrayDataset;
import ai.djl.training.loss.Loss;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import org.yoloddp.amp.Precision;
import org.yoloddp.comm.Availability;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.CommunicatorProvider;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.DeviceBuffer;
import org.yoloddp.comm.Fingerprint;
import org.yoloddp.comm.ForwardingCommunicator;
import org.yoloddp.comm.GroupContext;
import org.yoloddp.comm.HostBuffer;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.comm.ReduceOp;
import org.yoloddp.comm.StreamEvent;
import org.yoloddp.comm.Work;
import org.yoloddp.comm.inprocess.InProcessProvider;
import org.yoloddp.ddp.CommunicationHooks;
import org.yoloddp.ddp.PowerSgd;
import org.yoloddp.ddp.RankDropout;
import org.yoloddp.ddp.Reduction;
import org.yoloddp.optim.OptimizerSpec;
import org.yoloddp.torch.Devices;
import org.yoloddp.torch.LateNumbers;
import org.yoloddp.torch.SideStream;
import org.yoloddp.torch.TorchRuntime;

/** Trains on GPUs that are pretended, in every mode; started by {@link PretendedGpuTest}. */
final class PretendedGpuTraining {

    private static final Set<String> SUBMITTERS = ConcurrentHashMap.newKeySet();

    private PretendedGpuTraining() {}

    private static Map<String, UnaryOperator<DistributedTrainerBuilder>> modes() {
        Reduction small = Reduction.defaults().withBucketBytes(4000).withFirstBucketBytes(1000);
        Map<String, UnaryOperator<DistributedTrainerBuilder>> modes = new LinkedHashMap<>();
        modes.put("plain", b -> b.optReduction(small));
        modes.put("no overlap", b -> b.optReduction(small.withOverlap(false)));
        modes.put("sharded", b -> b.optReduction(small.withShardOptimizerState(true)));
        modes.put("unused", b -> b.optReduction(small.withFindUnused(true)));
        modes.put(
                "halves",
                b -> b.optReduction(small.withCommunicationHook(CommunicationHooks.float16())));
        modes.put(
                "powersgd",
                b ->
                        b.optReduction(
                                small.withCommunicationHook(
                                        CommunicationHooks.powerSgd(
                                                PowerSgd.defaults().withStartStep(1)))));
        modes.put("float16", b -> b.optPrecision(Precision.float16()));
        modes.put("bfloat16", b -> b.optPrecision(Precision.bfloat16()));
        modes.put("amp", b -> b.optAmp(true).optReduction(small.withShardOptimizerState(true)));
        modes.put("adamw", b -> b.optOptimizer(OptimizerSpec.adamW()));
        modes.put("clip", b -> b.optClipNorm(1));
        modes.put("verify", b -> b.optReduction(small.withVerifyEvery(2)));
        modes.put("batch norm of all", b -> b.optSyncBatchNorm(true));
        modes.put("average", b -> b.optWeightAverage(.99));
        return modes;
    }

    /**
     * @param arguments none
     */
    public static void main(String[] arguments) {
        TorchRuntime.start();
        System.out.println("gpus " + Devices.gpuCount() + " of " + Devices.isCudaBuild());
        arrays();
        try (NDManager manager = NDManager.newBaseManager(Device.cpu())) {
            ArrayDataset data =
                    new ArrayDataset.Builder()
                            .setData(manager.randomUniform(0, 1, new Shape(64, 20)))
                            .optLabels(manager.zeros(new Shape(64), DataType.INT64))
                            .setSampling(8, false)
                            .build();
            for (int gpus = 1; gpus <= 2; gpus++) {
                World world =
                        gpus == 1 ? World.local().withDevices(DeviceChoice.gpus(1)) : World.local();
                for (var mode : modes().entrySet()) {
                    train(data, world, mode.getKey(), mode.getValue());
                }
            }
            ready(data, manager);
        }
        List<String> threads = new ArrayList<>(SUBMITTERS);
        threads.removeIf(name -> name.startsWith("yolo-ddp-rank"));
        System.out.println("submitted by threads of libtorch: " + !threads.isEmpty());
        System.exit(0);
    }

    private static Block net() {
        return new SequentialBlock()
                .add(Linear.builder().setUnits(64).build())
                .add(Activation.reluBlock())
                .add(BatchNorm.builder().build())
                .add(new RankDropout(.3))
                .add(Linear.builder().setUnits(64).build())
                .add(Activation.reluBlock())
                .add(Linear.builder().setUnits(4).build());
    }

    private static DistributedTrainerBuilder builder(ArrayDataset data) {
        return DistributedTrainer.builder()
                .setDataset(data)
                .setLoss(Loss.softmaxCrossEntropyLoss())
                .setEpochs(2)
                .setBatchSize(16);
    }

    private static void train(
            ArrayDataset data,
            World world,
            String mode,
            UnaryOperator<DistributedTrainerBuilder> options) {
        DistributedTrainerBuilder builder =
                options.apply(builder(data).setBlock(rank -> net()).optWorld(world));
        try (DistributedTrainer trainer = builder.build()) {
            System.out.println(world.size() + " " + mode + ": " + trainer.train().outcome());
        }
    }

    /** A block that was initialised on the CPU moves to the GPU. */
    private static void ready(ArrayDataset data, NDManager manager) {
        Block block = net();
        block.initialize(manager, DataType.FLOAT32, new Shape(8, 20));
        World world = World.local().withDevices(DeviceChoice.gpus(1));
        try (DistributedTrainer trainer = builder(data).setBlock(block).optWorld(world).build()) {
            System.out.println("ready block: " + trainer.train().outcome());
        }
    }

    /** Copies really copy, so what goes there and back is the same. */
    private static void arrays() {
        MemoryDevice gpu = new MemoryDevice("cuda", 1);
        Devices.select(gpu);
        try (NDManager host = NDManager.newBaseManager(Device.cpu());
                NDManager there = NDManager.newBaseManager(Device.gpu(1))) {
            NDArray numbers = host.create(new float[] {1, 2, 3});
            NDArray copy = SideStream.toDevice(there, numbers);
            LateNumbers late = LateNumbers.of(copy);
            System.out.println(
                    "array on "
                            + Devices.memory(copy)
                            + ", late "
                            + !late.areOnHost()
                            + ": "
                            + late.read(Duration.ofSeconds(5))[2]);
            Devices.move(numbers, Device.gpu(1));
            System.out.println("moved to " + Devices.memory(numbers) + numbers.getDevice());
        }
    }

    /** For GPUs whose memory is the host's in truth. Found where the test says so. */
    public static final class Provider implements CommunicatorProvider {

        /** For the service loader. */
        public Provider() {}

        @Override
        public String name() {
            return "pretended";
        }

        @Override
        public Availability probe(MemoryDevice device) {
            return device.type().equals("cuda")
                    ? Availability.yes("pretended")
                    : Availability.no("for GPUs");
        }

        @Override
        public Communicator connect(GroupContext context) {
            return new OnGpu(new InProcessProvider().connect(context), context.device());
        }
    }

    private static final class OnGpu extends ForwardingCommunicator {

        private final Communicator inner;
        private final MemoryDevice device;

        OnGpu(Communicator inner, MemoryDevice device) {
            super(inner);
            this.inner = inner;
            this.device = device;
        }

        private void check(MemoryDevice other) {
            if (!other.equals(device)) {
                throw new IllegalArgumentException(other + " is not " + device);
            }
        }

        @Override
        public CommBuffer allocate(DType dtype, long count, MemoryDevice where) {
            check(where);
            HostBuffer memory = HostBuffer.allocate(dtype, count);
            return DeviceBuffer.own(memory.address(), dtype, count, device, memory, memory::close);
        }

        @Override
        protected Work submit(
                Fingerprint call, @Nullable CommBuffer buffer, Supplier<Work> collective) {
            throw new IllegalStateException("every collective has its own way here");
        }

        private Work run(
                CommBuffer buffer, ComputeStream producer, Function<CommBuffer, Work> collective) {
            check(buffer.device());
            check(producer.device());
            SUBMITTERS.add(Thread.currentThread().getName());
            try (StreamEvent event = producer.record()) {
                if (event.handle() == 0 || !event.hasPassed()) {
                    throw new IllegalStateException("no event: " + event);
                }
            }
            return new Queued(
                    collective.apply(
                            HostBuffer.wrap(
                                    buffer.address(), buffer.dtype(), buffer.count(), buffer)));
        }

        @Override
        public Work allReduce(CommBuffer buffer, ReduceOp op, ComputeStream producer, String tag) {
            return run(buffer, producer, b -> inner.allReduce(b, op, ComputeStream.HOST, tag));
        }

        @Override
        public Work broadcast(CommBuffer buffer, int root, ComputeStream producer, String tag) {
            return run(buffer, producer, b -> inner.broadcast(b, root, ComputeStream.HOST, tag));
        }

        @Override
        public Work allGather(
                CommBuffer buffer, long[] counts, ComputeStream producer, String tag) {
            return run(buffer, producer, b -> inner.allGather(b, counts, ComputeStream.HOST, tag));
        }

        @Override
        public Optional<Communicator> split(String name, int... ranks) {
            return inner.split(name, ranks).map(part -> new OnGpu(part, device));
        }
    }

    private record Queued(Work work) implements Work {

        @Override
        public void await(Duration deadline) {
            work.await(deadline);
        }

        @Override
        public void orderBefore(ComputeStream consumer) {
            work.orderBefore(ComputeStream.HOST);
            try (StreamEvent event = consumer.record()) {
                consumer.waitFor(event);
            }
        }

        @Override
        public boolean isDone() {
            return work.isDone();
        }

        @Override
        public Optional<Throwable> failure() {
            return work.failure();
        }
    }
}
