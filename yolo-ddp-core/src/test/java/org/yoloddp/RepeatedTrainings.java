package org.yoloddp;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.AbstractBlock;
import ai.djl.nn.Block;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import ai.djl.training.ParameterStore;
import ai.djl.training.loss.Loss;
import ai.djl.util.PairList;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.ddp.CommunicationHooks;
import org.yoloddp.ddp.PowerSgd;
import org.yoloddp.ddp.Reduction;
import org.yoloddp.schedule.HyperparameterSchedule;
import org.yoloddp.schedule.LearningRate;
import org.yoloddp.torch.TorchRuntime;
import org.yoloddp.train.LossValue;
import org.yoloddp.train.RankContext;
import org.yoloddp.train.TrainingLoss;

/**
 * Builds, trains and closes 50 times, and prints what the process holds after runs 10 and 50. With
 * an argument each training fails, in its set-up or in a step, on one rank or the other.
 */
final class RepeatedTrainings {

    private RepeatedTrainings() {}

    /** What a process holds. */
    record Holdings(long residentMegabytes, int threads, int files) {

        static Holdings now() throws IOException {
            System.gc();
            awaitOurThreads();
            long resident = 0;
            for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
                if (line.startsWith("VmRSS:")) {
                    resident = Long.parseLong(line.replaceAll("\\D", "")) / 1024;
                }
            }
            return new Holdings(resident, Thread.activeCount(), count(Path.of("/proc/self/fd")));
        }

        /** What ends a training may still be on its last instructions. */
        private static void awaitOurThreads() {
            long deadline = System.nanoTime() + 5_000_000_000L;
            while (Thread.getAllStackTraces().keySet().stream()
                            .anyMatch(thread -> thread.getName().startsWith("yolo-ddp"))
                    && System.nanoTime() < deadline) {
                Thread.onSpinWait();
            }
        }

        private static int count(Path folder) throws IOException {
            try (Stream<Path> entries = Files.list(folder)) {
                return (int) entries.count();
            }
        }
    }

    /** With whatever allocates memory of its own, in buckets that move after the first step. */
    private static Reduction reduction(int run) {
        Reduction all =
                Reduction.defaults()
                        .withBucketBytes(256)
                        .withFirstBucketBytes(64)
                        .withVerifyEvery(2)
                        .withShardOptimizerState(run % 2 == 0)
                        .withFindUnused(true);
        return switch (run % 3) {
            case 0 -> all;
            case 1 -> all.withCommunicationHook(CommunicationHooks.float16());
            default ->
                    all.withCommunicationHook(
                            CommunicationHooks.powerSgd(
                                    PowerSgd.defaults()
                                            .withStartStep(0)
                                            .withMinCompressionRate(1.5)));
        };
    }

    private static void train(Toy toy, int run) {
        try (DistributedTrainer trainer =
                toy.builder()
                        .optWeightAverage(.99)
                        .optReduction(reduction(run))
                        .setBlock(rank -> new UnusedHead())
                        .optSchedule(HyperparameterSchedule.of(LearningRate.constant(.1), 2))
                        .build()) {
            trainer.train();
        }
    }

    /** The toy's net beside a layer that is never used. */
    private static final class UnusedHead extends AbstractBlock {

        private final Block net = addChildBlock("net", Toy.net());
        private final Block unused =
                addChildBlock("unused", Linear.builder().setUnits(300).build());

        @Override
        protected NDList forwardInternal(
                ParameterStore store,
                NDList inputs,
                boolean training,
                PairList<String, Object> params) {
            return net.forward(store, inputs, training);
        }

        @Override
        public Shape[] getOutputShapes(Shape[] inputShapes) {
            return net.getOutputShapes(inputShapes);
        }

        @Override
        protected void initializeChildBlocks(
                NDManager manager, DataType dataType, Shape... inputShapes) {
            net.initialize(manager, dataType, inputShapes);
            unused.initialize(manager, dataType, inputShapes);
        }
    }

    private static void fail(Toy toy, int run) {
        IllegalStateException mine = new IllegalStateException("as wanted");
        try (DistributedTrainer trainer =
                toy.builder()
                        .optWeightAverage(.99)
                        .optReduction(reduction(run))
                        .setBlock(rank -> largeNet())
                        .setLoss(rank -> failing(rank, run, mine))
                        .build()) {
            trainer.train();
            throw new AssertionError("run " + run + " didn't fail");
        } catch (RankFailedException e) {
            if (e.getCause() != mine) {
                throw e;
            }
        }
    }

    /** Two megabytes of weights, and as much again for gradients, momentum and average. */
    private static Block largeNet() {
        return new SequentialBlock()
                .add(Linear.builder().setUnits(512).build())
                .add(Linear.builder().setUnits(1024).build())
                .add(Linear.builder().setUnits(2).build());
    }

    private static TrainingLoss failing(RankContext rank, int run, RuntimeException thrown) {
        boolean mine = rank.rank() == run % 2;
        if (mine && run % 4 < 2) {
            throw thrown;
        }
        TrainingLoss good = TrainingLoss.of(Loss.softmaxCrossEntropyLoss());
        return new TrainingLoss() {
            private int batches;

            @Override
            public List<String> terms() {
                return good.terms();
            }

            @Override
            public LossValue evaluate(NDList labels, NDList predictions) {
                if (mine && ++batches == 2) {
                    throw thrown;
                }
                return good.evaluate(labels, predictions);
            }
        };
    }

    public static void main(String[] args) throws IOException {
        TorchRuntime.start();
        for (int run = 1; run <= 50; run++) {
            try (Toy toy = new Toy()) {
                if (args.length > 0) {
                    fail(toy, run);
                } else {
                    train(toy, run);
                }
            }
            if (run == 10 || run == 50) {
                Holdings now = Holdings.now();
                System.out.println(
                        "run "
                                + run
                                + ": "
                                + now.residentMegabytes()
                                + " MB, "
                                + now.threads()
                                + " threads, "
                                + now.files()
                                + " files");
            }
        }
    }
}
