package org.yoloddp;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.nn.Block;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import ai.djl.training.dataset.RandomAccessDataset;
import ai.djl.training.dataset.Record;
import ai.djl.training.loss.Loss;
import ai.djl.util.Progress;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.ReduceOp;
import org.yoloddp.launch.ErrorFile;
import org.yoloddp.report.RunFolder;
import org.yoloddp.testing.DeafSockets;
import org.yoloddp.torch.TorchRuntime;
import org.yoloddp.train.Deadlines;
import org.yoloddp.train.LossValue;
import org.yoloddp.train.RankContext;
import org.yoloddp.train.StepReport;
import org.yoloddp.train.TrainingLoss;
import org.yoloddp.train.TrainingObserver;

/**
 * A rank of a small training, to be launched: arguments are a folder, a {@link Fault}, and the rank
 * and the step that it befalls; a restarted one trains for two epochs and is done, or holds if
 * there is a file "hold". Each rank that throws leaves a {@link Notice}, each that ends well the
 * hashes of all ranks' parameters.
 */
public final class FaultyTraining {

    /** Epochs, of four steps, of a training that ends. */
    static final int EPOCHS = 100;

    /** From so many steps before the fault on, steps are long enough for a heartbeat each. */
    private static final int SLOW_STEPS = 3;

    /** How long the ranks wait for one that does not come, or does not answer. */
    static final Duration PATIENCE = Duration.ofSeconds(4);

    private static final long SLOW_NANOS = TimeUnit.MILLISECONDS.toNanos(150);

    /** Until a collective has to have ended; shorter where a test waits for that. */
    private static final Duration COLLECTIVE =
            Duration.ofSeconds(Long.getLong("yoloddp.test.collectiveSeconds", 600));

    private final Path folder;
    private final Fault fault;
    private final boolean mine;
    private final long faultStep;
    private @Nullable RankContext context;
    private long step = -1;

    /** What fills the heap for good. */
    private @Nullable List<byte[]> leak;

    private FaultyTraining(Path folder, Fault fault, boolean mine, long faultStep) {
        this.folder = folder;
        this.fault = fault;
        this.mine = mine;
        this.faultStep = faultStep;
    }

    public static void main(String[] arguments) throws IOException {
        Path folder = Path.of(arguments[0]);
        String rank = System.getenv("RANK");
        String restarts = System.getenv().getOrDefault("TORCHELASTIC_RESTART_COUNT", "0");
        boolean again = !restarts.equals("0");
        Fault second = Files.exists(folder.resolve("hold")) ? Fault.HOLD : Fault.NONE;
        FaultyTraining training =
                new FaultyTraining(
                        folder,
                        again ? second : Fault.valueOf(arguments[1]),
                        rank.equals(arguments[2]),
                        Long.parseLong(arguments[3]));
        Files.writeString(
                folder.resolve("pid." + rank + "." + restarts),
                Long.toString(ProcessHandle.current().pid()));
        TorchRuntime.start();
        if (Set.of(Fault.ABSENT, Fault.PORT, Fault.OPTIONS).contains(training.fault)) {
            training.mark();
        }
        int epochs = training.fault == Fault.HOLD ? EPOCHS : again ? 2 : 100_000;
        try (Toy toy = new Toy();
                DistributedTrainer trainer =
                        training.builder(toy, epochs).optWorld(World.fromEnvironment()).build()) {
            String hash = trainer.train().parametersSha256().toString();
            Files.writeString(folder.resolve("done." + rank), hash);
        } catch (Throwable e) {
            Notice.write(folder.resolve("notice." + rank), training.millisSinceFault(), e);
            ErrorFile.write(e);
            System.err.println("error: " + e);
            System.exit(1);
        }
    }

    private DistributedTrainerBuilder builder(Toy toy, int epochs) {
        int other = fault == Fault.OPTIONS && mine ? 1 : 0;
        DistributedTrainerBuilder builder =
                toy.builder()
                        .setBlock(this::block)
                        .setLoss(rank -> loss())
                        .setDataset(new Points(toy.points))
                        .setEpochs(epochs + other)
                        .setBatchSize(Toy.BATCH * (1 + other))
                        .optDeadlines(deadlines());
        return fault == Fault.DISK && mine
                ? builder.addObserver(RunFolder.at(folder.resolve("disk"))).addObserver(filling())
                : builder;
    }

    /** What the same training ends with that nothing befalls, by threads. */
    static String hashes(int ranks, int epochs) {
        FaultyTraining training = new FaultyTraining(Path.of(""), Fault.NONE, false, -1);
        try (Toy toy = new Toy();
                DistributedTrainer trainer =
                        training.builder(toy, epochs).optWorld(World.threads(ranks)).build()) {
            return trainer.train().parametersSha256().toString();
        }
    }

    private Deadlines deadlines() {
        Deadlines usual = Deadlines.defaults().withData(Duration.ofSeconds(2));
        return switch (fault) {
            case ABSENT, PORT -> usual.withCollective(PATIENCE);
            default -> usual.withCollective(COLLECTIVE);
        };
    }

    private long millisSinceFault() throws IOException {
        Path file = folder.resolve("fault");
        return Files.exists(file)
                ? System.currentTimeMillis() - Files.getLastModifiedTime(file).toMillis()
                : -1;
    }

    private Block block(RankContext rank) {
        context = rank;
        if (fault == Fault.PARAMETERS) {
            mark();
        }
        return fault == Fault.PARAMETERS && mine
                ? new SequentialBlock().add(Toy.net()).add(Linear.builder().setUnits(2).build())
                : Toy.net();
    }

    /** Only the rank that the fault befalls says when. */
    private void mark() {
        if (!mine) {
            return;
        }
        try {
            Files.createFile(folder.resolve("fault"));
        } catch (FileAlreadyExistsException e) {
            // the first moment counts
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private TrainingLoss loss() {
        TrainingLoss good = TrainingLoss.of(Loss.softmaxCrossEntropyLoss());
        return new TrainingLoss() {
            @Override
            public List<String> terms() {
                return good.terms();
            }

            @Override
            public LossValue evaluate(NDList labels, NDList predictions) {
                return good.evaluate(labels, userCode(predictions));
            }
        };
    }

    /** What runs in every step of every rank. */
    private NDList userCode(NDList predictions) {
        step++;
        if (fault != Fault.NONE && step >= faultStep - SLOW_STEPS && step <= faultStep) {
            LockSupport.parkNanos(SLOW_NANOS);
        }
        if (step != faultStep) {
            return predictions;
        }
        switch (fault) {
            case HOLD -> awaitGo();
            case ORDER, LENGTH, DTYPE, OPERATION -> {
                mark();
                disagree(context.communicator());
            }
            default -> {
                if (mine) {
                    return befall(predictions);
                }
            }
        }
        return predictions;
    }

    private NDList befall(NDList predictions) {
        switch (fault) {
            case KILL, STOP -> {
                mark();
                signal(fault.name());
            }
            case MUTE, MUTE_DATA -> {
                mark();
                deafen(fault == Fault.MUTE);
            }
            case LOOP -> {
                mark();
                spin();
            }
            case EXCEPTION -> {
                mark();
                throw new IllegalStateException("the sample is broken");
            }
            case EXIT -> {
                mark();
                System.exit(0);
            }
            case MEMORY -> {
                mark();
                fillHeap(new ArrayList<>(1 << 20));
            }
            case LEAK -> {
                mark();
                leak = new ArrayList<>(1 << 20);
                fillHeap(leak);
            }
            case NAN_LOSS -> {
                mark();
                return new NDList(predictions.singletonOrThrow().mul(Float.NaN));
            }
            case NAN_GRADIENT -> {
                mark();
                // The square root of zero has an infinite gradient, times zero.
                var logits = predictions.singletonOrThrow();
                return new NDList(logits.add(logits.mul(0).abs().sqrt()));
            }
            default -> {
                // befalls elsewhere
            }
        }
        return predictions;
    }

    private void awaitGo() {
        long end = System.nanoTime() + TimeUnit.MINUTES.toNanos(2);
        while (!Files.exists(folder.resolve("go")) && System.nanoTime() < end) {
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(5));
        }
    }

    private static void deafen(boolean store) {
        String address = System.getenv("YOLODDP_STORE");
        int storePort = Integer.parseInt(address.substring(address.lastIndexOf(':') + 1));
        int connections = DeafSockets.deafen(port -> (port == storePort) == store);
        if (connections == 0) {
            throw new AssertionError("there are no such connections");
        }
    }

    private static void spin() {
        while (!Thread.currentThread().isInterrupted()) {
            Thread.onSpinWait();
        }
    }

    private static void fillHeap(List<byte[]> pieces) {
        for (int size = 1 << 24; size >= 1 << 10; size /= 4) {
            try {
                while (true) {
                    pieces.add(new byte[size]);
                }
            } catch (OutOfMemoryError e) {
                if (size == 1 << 10) {
                    throw e;
                }
            }
        }
    }

    /** Collectives that are the same on all ranks but one. */
    private void disagree(Communicator all) {
        try (CommBuffer a = all.allocate(DType.F32, 8);
                CommBuffer b = all.allocate(DType.F32, 8);
                CommBuffer longer = all.allocate(DType.F32, 9);
                CommBuffer ints = all.allocate(DType.I32, 8)) {
            switch (fault) {
                case ORDER -> {
                    boolean swapped = mine;
                    reduce(all, swapped ? b : a, swapped ? "b" : "a");
                    reduce(all, swapped ? a : b, swapped ? "a" : "b");
                }
                case LENGTH -> reduce(all, mine ? longer : a, "sum");
                case DTYPE -> reduce(all, mine ? ints : a, "sum");
                default -> {
                    if (mine) {
                        all.broadcast(a, 0, ComputeStream.HOST, "sum").await(all.deadline());
                    } else {
                        reduce(all, a, "sum");
                    }
                }
            }
        }
        throw new AssertionError("unlike collectives went through");
    }

    private static void reduce(Communicator all, CommBuffer buffer, String tag) {
        all.allReduce(buffer, ReduceOp.SUM, ComputeStream.HOST, tag).await(all.deadline());
    }

    private static void signal(String name) {
        String pid = Long.toString(ProcessHandle.current().pid());
        try {
            Process kill = new ProcessBuilder("kill", "-" + name, pid).start();
            if (!kill.waitFor(30, TimeUnit.SECONDS)) {
                throw new IllegalStateException("kill hangs");
            }
        } catch (IOException | InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Takes what is left of the run folder's disk, at the step of the fault. */
    private TrainingObserver filling() {
        return new TrainingObserver() {
            @Override
            public void onStep(StepReport report) {
                if (report.step() == faultStep) {
                    mark();
                    fillDisk();
                }
            }
        };
    }

    private void fillDisk() {
        Path big = folder.resolve("disk/big");
        try (var out = Files.newOutputStream(big)) {
            while (true) {
                out.write(new byte[512]);
            }
        } catch (IOException e) {
            System.err.println("filled: " + e);
        }
    }

    /** The toy's points, of a data set whose get may never come back. */
    private final class Points extends RandomAccessDataset {

        private final RandomAccessDataset points;
        private final int worldSize =
                Integer.parseInt(System.getenv().getOrDefault("WORLD_SIZE", "1"));
        private int asked;

        Points(RandomAccessDataset points) {
            super(new Options());
            this.points = points;
        }

        @Override
        public Record get(NDManager manager, long index) throws IOException {
            // One is asked for its shape.
            if (mine && asked++ == 1 + faultStep * Toy.BATCH / worldSize) {
                if (fault == Fault.LOADER_HANGS) {
                    mark();
                    hang();
                } else if (fault == Fault.LOADER_FAILS) {
                    mark();
                    throw new StackOverflowError("decoding never ends");
                }
            }
            return points.get(manager, index);
        }

        private void hang() {
            long end = System.nanoTime() + TimeUnit.MINUTES.toNanos(10);
            while (System.nanoTime() < end) {
                LockSupport.parkNanos(TimeUnit.MINUTES.toNanos(1));
            }
        }

        @Override
        protected long availableSize() {
            return points.size() - (fault == Fault.OPTIONS && mine ? Toy.BATCH : 0);
        }

        @Override
        public void prepare(Progress progress) {}
    }

    private static final class Options extends RandomAccessDataset.BaseBuilder<Options> {

        Options() {
            setSampling(1, false);
        }

        @Override
        protected Options self() {
            return this;
        }
    }
}
