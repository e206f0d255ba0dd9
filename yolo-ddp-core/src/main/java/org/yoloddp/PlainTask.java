package org.yoloddp;

import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Block;
import ai.djl.training.dataset.RandomAccessDataset;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.WeakHashMap;
import org.jspecify.annotations.Nullable;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.train.DatasetSource;
import org.yoloddp.train.Metric;
import org.yoloddp.train.MetricValidation;
import org.yoloddp.train.RankContext;
import org.yoloddp.train.RankFactory;
import org.yoloddp.train.TrainingData;
import org.yoloddp.train.TrainingLoss;
import org.yoloddp.train.TrainingTask;
import org.yoloddp.train.Validation;

/** The task that the plain setters of the builder describe: a DJL block, data set and loss. */
record PlainTask(
        RankFactory<Block> block,
        DatasetSource data,
        RankFactory<TrainingLoss> loss,
        @Nullable DatasetSource validationData,
        List<Metric<?>> metrics,
        boolean keepsBlocks)
        implements TrainingTask {

    @Override
    public Block createBlock(RankContext rank) {
        return block.create(rank);
    }

    @Override
    public Shape[] inputShapes(int batchSize) {
        return data.inputShapes(batchSize);
    }

    @Override
    public TrainingLoss createLoss(RankContext rank, Block trained) {
        return loss.create(rank);
    }

    @Override
    public TrainingData trainingData() {
        return data;
    }

    @Override
    public Optional<Validation> createValidation(RankContext rank, Block trained) {
        return validationData == null
                ? Optional.empty()
                : Optional.of(new MetricValidation(validationData, metrics));
    }

    /** What the plain setters collect. */
    static final class Parts {

        private @Nullable RankFactory<Block> block;
        private @Nullable Block instance;
        private @Nullable RandomAccessDataset training;
        private @Nullable RandomAccessDataset validation;
        private @Nullable RankFactory<TrainingLoss> loss;
        private final List<Metric<?>> metrics = new ArrayList<>();

        void block(RankFactory<Block> value) {
            block = Objects.requireNonNull(value, "block");
            instance = null;
        }

        void instance(Block value) {
            instance = Objects.requireNonNull(value, "block");
            block = null;
        }

        void training(RandomAccessDataset value) {
            training = Objects.requireNonNull(value, "dataset");
        }

        void validation(RandomAccessDataset value) {
            validation = Objects.requireNonNull(value, "validation dataset");
        }

        void loss(RankFactory<TrainingLoss> value) {
            loss = Objects.requireNonNull(value, "loss");
        }

        void add(Metric<?> value) {
            metrics.add(Objects.requireNonNull(value, "metric"));
        }

        /** Returns the given task, or the one made of these parts; exactly one has to be there. */
        TrainingTask orTask(@Nullable TrainingTask task, int localRanks) {
            List<String> given = new ArrayList<>();
            note(given, "setBlock", block == null ? instance : block);
            note(given, "setDataset", training);
            note(given, "setLoss", loss);
            note(given, "optValidationDataset", validation);
            note(given, "addMetric", metrics.isEmpty() ? null : metrics);
            if (task != null) {
                if (!given.isEmpty()) {
                    throw new ConfigurationException(
                            "setTask already brings what "
                                    + String.join(", ", given)
                                    + " set: use either the task or the single parts");
                }
                return task;
            }
            return ofParts(localRanks);
        }

        private static void checkNames(List<Metric<?>> metrics) {
            Set<String> names = new HashSet<>();
            for (Metric<?> metric : metrics) {
                if (!names.add(metric.name())) {
                    throw new ConfigurationException(
                            "two metrics are named '"
                                    + metric.name()
                                    + "', so one would hide the other: give each its own name");
                }
            }
        }

        private TrainingTask ofParts(int localRanks) {
            Block ready = instance;
            if ((block == null && ready == null) || training == null || loss == null) {
                List<String> missing = new ArrayList<>();
                note(missing, "setBlock", block == null && ready == null ? missing : null);
                note(missing, "setDataset", training == null ? missing : null);
                note(missing, "setLoss", loss == null ? missing : null);
                throw new ConfigurationException(
                        "nothing to train: call setTask, or also " + String.join(", ", missing));
            }
            if (ready != null && localRanks > 1) {
                throw new ConfigurationException(
                        "setBlock got one block for "
                                + localRanks
                                + " ranks in this JVM, but each needs its own: pass a factory,"
                                + " setBlock(rank -> ...)");
            }
            if ((validation == null) != metrics.isEmpty()) {
                throw new ConfigurationException(
                        validation == null
                                ? "addMetric needs data to be computed on: call"
                                        + " optValidationDataset"
                                : "optValidationDataset needs something to compute: call"
                                        + " addMetric");
            }
            DatasetSource data = new DatasetSource(training);
            checkNames(metrics);
            return new PlainTask(
                    block != null ? distinct(block) : rank -> initialised(ready, data, rank),
                    data,
                    loss,
                    validation == null ? null : new DatasetSource(validation),
                    List.copyOf(metrics),
                    ready != null);
        }

        /** Refuses a factory that hands out one block twice: two owners would train it. */
        private static RankFactory<Block> distinct(RankFactory<Block> factory) {
            Set<Block> made =
                    Collections.synchronizedSet(Collections.newSetFromMap(new WeakHashMap<>()));
            return rank -> {
                Block block = factory.create(rank);
                if (!made.add(block)) {
                    throw new ConfigurationException(
                            "the factory given to setBlock returned one block twice, but each rank,"
                                    + " each training and the average of the weights need their own:"
                                    + " make the block inside the factory");
                }
                return block;
            };
        }

        /** Initialises a given block so that it outlives the training. */
        private static Block initialised(Block given, DatasetSource data, RankContext rank) {
            if (!given.isInitialized()) {
                NDManager manager = NDManager.newBaseManager(rank.device());
                given.initialize(manager, DataType.FLOAT32, data.inputShapes(1));
            }
            return given;
        }

        private static void note(List<String> names, String name, @Nullable Object value) {
            if (value != null) {
                names.add(name);
            }
        }
    }
}
