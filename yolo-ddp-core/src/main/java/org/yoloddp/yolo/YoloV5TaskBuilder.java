package org.yoloddp.yolo;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.yoloddp.detection.DetectionDataset;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.train.TrainingTask;

/**
 * Describes the training of a YOLOv5 model. Defaults: image size 640, weights drawn at random,
 * {@link Hyp#defaults()}, no layer frozen.
 */
public final class YoloV5TaskBuilder {

    private final ModelYaml yaml;
    private final DetectionDataset data;
    private int imageSize = 640;
    private Hyp hyp = Hyp.defaults();
    private @Nullable Path weights;
    private boolean keepAnchors;
    private final Set<Integer> freeze = new LinkedHashSet<>();

    YoloV5TaskBuilder(ModelYaml yaml, DetectionDataset data) {
        this.yaml = yaml.withClasses(data.classNames().size());
        this.data = data;
    }

    /**
     * Sets the side of the square images.
     *
     * @param pixels a multiple of the model's largest stride, at least two of it; default 640
     * @return this builder
     */
    public YoloV5TaskBuilder optImageSize(int pixels) {
        imageSize = pixels;
        return this;
    }

    /**
     * Starts from weights of a file: whatever agrees in name and shape, but anchors, which come
     * from the model description. With another number of classes that is all but the last layer.
     *
     * @param file a checkpoint of YOLOv5, or a safetensors file
     * @return this builder
     */
    public YoloV5TaskBuilder optWeights(Path file) {
        weights = file;
        return this;
    }

    /**
     * Takes the anchors of the weights too.
     *
     * @param keep whether the weights' anchors replace those of the model description; default
     *     false
     * @return this builder
     */
    public YoloV5TaskBuilder optKeepAnchors(boolean keep) {
        keepAnchors = keep;
        return this;
    }

    /**
     * Sets the hyperparameters of loss and augmentation.
     *
     * @param values the hyperparameters
     * @return this builder
     */
    public YoloV5TaskBuilder optHyp(Hyp values) {
        hyp = values;
        return this;
    }

    /**
     * Freezes layers: their weights are not trained, while their running statistics still move.
     *
     * @param layers numbers of layers, as in the model description
     * @return this builder
     */
    public YoloV5TaskBuilder optFreeze(int... layers) {
        freeze.clear();
        Arrays.stream(layers).forEach(freeze::add);
        return this;
    }

    /**
     * Builds the task; reads the weights.
     *
     * @return the task
     * @throws ConfigurationException if the image size is no multiple of the largest stride, or a
     *     layer to freeze does not exist
     * @throws WeightsException if the weights cannot be read, or nothing of them fits the model
     * @throws ModelYamlException if the model cannot be built
     */
    public TrainingTask build() {
        int stride = ImageSizes.check(imageSize, new YoloV5Block(yaml, 0).strides());
        for (int layer : freeze) {
            if (layer < 0 || layer >= yaml.rows().size()) {
                throw new ConfigurationException(
                        "cannot freeze layer "
                                + layer
                                + ": "
                                + yaml.source()
                                + " has layers 0 to "
                                + (yaml.rows().size() - 1));
            }
        }
        return new YoloV5Task(
                yaml,
                data,
                imageSize,
                stride,
                hyp,
                weights == null ? null : YoloV5Weights.read(weights),
                keepAnchors,
                Set.copyOf(freeze));
    }
}
