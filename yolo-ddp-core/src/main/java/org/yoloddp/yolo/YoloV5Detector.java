package org.yoloddp.yolo;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.training.ParameterStore;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.yoloddp.detection.Detection;
import org.yoloddp.detection.NetworkInput;
import org.yoloddp.detection.NonMaxSuppression;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.torch.GradMode;
import org.yoloddp.torch.Layouts;
import org.yoloddp.torch.TorchRuntime;

/**
 * A trained model that finds objects in images. Not thread-safe; closing frees the model.
 *
 * <pre>{@code
 * try (YoloV5Detector detector = YoloV5Detector.load(Path.of("best.safetensors"))) {
 *     for (Detection found : detector.detect(Path.of("image.jpg"))) {
 *         System.out.println(detector.names().get(found.classIndex()) + " " + found.confidence());
 *     }
 * }
 * }</pre>
 */
public final class YoloV5Detector implements AutoCloseable {

    private final NDManager manager;
    private final YoloV5Block block;
    private final ParameterStore store;
    private final List<String> names;
    private final int imageSize;
    private final boolean square;
    private final NonMaxSuppression suppression;

    private YoloV5Detector(Builder builder, YoloV5Weights weights, ModelYaml yaml) {
        TorchRuntime.start();
        imageSize = builder.imageSize;
        square = builder.square;
        suppression = builder.suppression;
        names = names(weights, yaml);
        manager = NDManager.newBaseManager(builder.device);
        try (GradMode off = GradMode.disabled()) {
            block = new YoloV5Block(yaml, 0);
            block.initialize(manager, DataType.FLOAT32, new Shape(1, 3, imageSize, imageSize));
            WeightTransfer.all(weights, block);
            for (Parameter parameter : block.getParameters().values()) {
                if (parameter.requiresGradient()) {
                    parameter.freeze(true);
                }
                if (parameter.getShape().dimension() == 4) {
                    Layouts.toChannelsLast(parameter.getArray());
                }
            }
        } catch (RuntimeException e) {
            manager.close();
            throw e;
        }
        store = new ParameterStore(manager, false);
    }

    private static List<String> names(YoloV5Weights weights, ModelYaml yaml) {
        return weights.names().size() == yaml.classes()
                ? weights.names()
                : IntStream.range(0, yaml.classes()).mapToObj(i -> "class" + i).toList();
    }

    /**
     * Loads a model with default settings: images of 640 px, confidence above 0.25, IoU 0.45.
     *
     * @param weights a checkpoint of YOLOv5, or a safetensors file
     * @return the detector
     * @throws WeightsException if the weights cannot be read, or lack a part of the model
     */
    public static YoloV5Detector load(Path weights) {
        return builder().setWeights(weights).build();
    }

    /**
     * Starts to build a detector.
     *
     * @return a builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Finds objects in an image file.
     *
     * @param image the file
     * @return the detections, best first, in pixels of the file
     * @throws org.yoloddp.detection.DatasetException if the file cannot be read or decoded
     */
    public List<Detection> detect(Path image) {
        int stride = Arrays.stream(block.strides()).max().orElseThrow();
        NetworkInput input = NetworkInput.read(image, imageSize, square ? 0 : stride);
        try (NDManager scope = manager.newSubManager()) {
            NDArray decoded = predict(new NDList(input.array(scope))).head();
            int columns = (int) decoded.getShape().get(2);
            List<Detection> found = suppression.apply(decoded.toFloatArray(), columns);
            return input.placement().toFile(found);
        }
    }

    /**
     * Runs the model on a batch, as validations want it.
     *
     * @param images one array (B, 3, H, W), red first, 0 to 1
     * @return boxes and scores, then raw logits; attached to the images' manager
     */
    public NDList predict(NDList images) {
        try (GradMode off = GradMode.disabled()) {
            return block.forward(store, images, false);
        }
    }

    /**
     * Returns the names of the classes.
     *
     * @return the names, by index
     */
    public List<String> names() {
        return names;
    }

    /**
     * Returns the model.
     *
     * @return the block, frozen
     */
    public YoloV5Block block() {
        return block;
    }

    /** Frees the model. Idempotent. */
    @Override
    public void close() {
        manager.close();
    }

    /** Builds a {@link YoloV5Detector}. */
    public static final class Builder {

        private @Nullable Path weights;
        private @Nullable String model;
        private int imageSize = 640;
        private boolean square;
        private NonMaxSuppression suppression = NonMaxSuppression.forDetection();
        private Device device = Device.cpu();

        private Builder() {}

        /**
         * Sets the weights.
         *
         * @param file a checkpoint of YOLOv5, or a safetensors file
         * @return this builder
         */
        public Builder setWeights(Path file) {
            weights = file;
            return this;
        }

        /**
         * Sets the model, for weights that don't tell.
         *
         * @param nameOrPath {@code yolov5n}, {@code s}, {@code m}, {@code l}, {@code x}, or the
         *     path of a model yaml; by default what the weights say, or what fits their shapes
         * @return this builder
         */
        public Builder optModel(String nameOrPath) {
            model = nameOrPath;
            return this;
        }

        /**
         * Sets the size that images are scaled to.
         *
         * @param pixels the longer side, a multiple of the largest stride; default 640
         * @return this builder
         */
        public Builder optImageSize(int pixels) {
            imageSize = pixels;
            return this;
        }

        /**
         * Sets whether images are filled to a square.
         *
         * @param fill true for a square; default false: to the next multiple of the stride
         * @return this builder
         */
        public Builder optSquare(boolean fill) {
            square = fill;
            return this;
        }

        /**
         * Sets thresholds.
         *
         * @param settings default {@link NonMaxSuppression#forDetection()}
         * @return this builder
         */
        public Builder optSuppression(NonMaxSuppression settings) {
            suppression = settings;
            return this;
        }

        /**
         * Sets where to compute.
         *
         * @param value default the CPU
         * @return this builder
         */
        public Builder optDevice(Device value) {
            device = value;
            return this;
        }

        /**
         * Reads the weights and builds the detector.
         *
         * @return the detector
         * @throws WeightsException if the weights are missing, cannot be read, or lack a part of
         *     the model
         * @throws ModelYamlException if the model is unknown or cannot be built
         * @throws ConfigurationException if the image size does not fit the model
         */
        public YoloV5Detector build() {
            if (weights == null) {
                throw new ConfigurationException("a detector needs weights; call setWeights");
            }
            YoloV5Weights read = YoloV5Weights.read(weights);
            ModelYaml yaml =
                    model != null
                            ? ModelYaml.load(model).withClasses(read.classes())
                            : read.yaml()
                                    .orElseThrow(() -> WeightsException.unknownModel(read.file()));
            ImageSizes.check(imageSize, new YoloV5Block(yaml, 0).strides());
            return new YoloV5Detector(this, read, yaml);
        }
    }
}
