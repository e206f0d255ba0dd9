package org.yoloddp.yolo;

import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.util.Pair;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.detection.Augmentation;
import org.yoloddp.detection.DetectionDataset;
import org.yoloddp.detection.DetectionTrainingData;
import org.yoloddp.detection.DetectionValidation;
import org.yoloddp.detection.Transforms;
import org.yoloddp.optim.ParameterGroup;
import org.yoloddp.torch.GradMode;
import org.yoloddp.torch.TorchRuntime;
import org.yoloddp.train.RankContext;
import org.yoloddp.train.TrainingData;
import org.yoloddp.train.TrainingLoss;
import org.yoloddp.train.TrainingTask;
import org.yoloddp.train.Validation;

/** The training of a YOLOv5 model on a data set. */
final class YoloV5Task implements TrainingTask {

    private static final Logger LOG = LoggerFactory.getLogger(YoloV5Task.class);

    private final ModelYaml yaml;
    private final DetectionDataset data;
    private final int imageSize;
    private final int stride;
    private final Hyp hyp;
    private final @Nullable YoloV5Weights weights;
    private final boolean keepAnchors;
    private final Set<Integer> frozen;
    private final TrainingData trainingData;

    YoloV5Task(
            ModelYaml yaml,
            DetectionDataset data,
            int imageSize,
            int stride,
            Hyp hyp,
            @Nullable YoloV5Weights weights,
            boolean keepAnchors,
            Set<Integer> frozen) {
        this.yaml = yaml;
        this.data = data;
        this.imageSize = imageSize;
        this.stride = stride;
        this.hyp = hyp;
        this.weights = weights;
        this.keepAnchors = keepAnchors;
        this.frozen = frozen;
        trainingData =
                new DetectionTrainingData(
                        data.split("train"),
                        imageSize,
                        Transforms.yolov5Train(
                                imageSize,
                                new Augmentation(
                                        hyp.get("hsv_h"),
                                        hyp.get("hsv_s"),
                                        hyp.get("hsv_v"),
                                        hyp.get("flipud"),
                                        hyp.get("fliplr"))));
    }

    @Override
    public Block createBlock(RankContext rank) {
        TorchRuntime.start();
        YoloV5Block block = new YoloV5Block(yaml, rank.seed());
        try (GradMode off = GradMode.disabled()) {
            block.initialize(rank.manager(), DataType.FLOAT32, inputShapes(1));
            if (weights != null) {
                transfer(weights, block, rank);
            }
        }
        freeze(block);
        return block;
    }

    private void transfer(YoloV5Weights source, YoloV5Block block, RankContext rank) {
        List<String> copied =
                WeightTransfer.matching(
                        source, block, name -> keepAnchors || !name.endsWith(".anchors"));
        if (copied.isEmpty()) {
            throw WeightsException.unusable(
                    source.file(), "none of its tensors fits " + yaml.source());
        }
        if (rank.isFirst()) {
            LOG.info(
                    "{} of {} tensors from {}",
                    copied.size(),
                    block.getParameters().size(),
                    source.file());
        }
    }

    private void freeze(YoloV5Block block) {
        for (Pair<String, Parameter> pair : block.getParameters()) {
            String layer = pair.getKey().split("\\.")[1];
            if (frozen.contains(Integer.valueOf(layer)) && pair.getValue().requiresGradient()) {
                pair.getValue().freeze(true);
            }
        }
    }

    @Override
    public Shape[] inputShapes(int batchSize) {
        return new Shape[] {new Shape(batchSize, 3, imageSize, imageSize)};
    }

    @Override
    public TrainingLoss createLoss(RankContext rank, Block block) {
        return new YoloV5Loss((YoloV5Block) block, hyp, imageSize, rank.worldSize());
    }

    @Override
    public TrainingData trainingData() {
        return trainingData;
    }

    @Override
    public Optional<Validation> createValidation(RankContext rank, Block block) {
        return Optional.of(
                DetectionValidation.builder()
                        .setSplit(data.split("val"))
                        .setDecoder(YoloV5.decoder())
                        .optImageSize(imageSize)
                        .optStride(stride)
                        .optLoss(new YoloV5Loss((YoloV5Block) block, hyp, imageSize, 1))
                        .build());
    }

    /** As YOLOv5: biases, decayed weights, norm weights. */
    @Override
    public List<ParameterGroup> parameterGroups(Block block, double weightDecay) {
        return groups(block, weightDecay);
    }

    static List<ParameterGroup> groups(Block block, double weightDecay) {
        List<String> biases = new ArrayList<>();
        List<String> weighted = new ArrayList<>();
        List<String> norms = new ArrayList<>();
        for (Pair<String, Parameter> pair : block.getParameters()) {
            switch (pair.getValue().getType()) {
                case BIAS, BETA -> biases.add(pair.getKey());
                case WEIGHT -> weighted.add(pair.getKey());
                case GAMMA -> norms.add(pair.getKey());
                default -> {
                    // a buffer
                }
            }
        }
        return List.of(
                new ParameterGroup("biases", biases, 0),
                new ParameterGroup("weights", weighted, weightDecay),
                new ParameterGroup("norms", norms, 0));
    }

    @Override
    public Map<String, String> metadata() {
        return SafetensorsWeights.metadata(yaml, data.classNames());
    }
}
