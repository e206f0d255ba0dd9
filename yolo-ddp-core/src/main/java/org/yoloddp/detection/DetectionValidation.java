package org.yoloddp.detection;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.train.LossValue;
import org.yoloddp.train.RankContext;
import org.yoloddp.train.TrainingLoss;
import org.yoloddp.train.Validation;
import org.yoloddp.train.ValidationContext;
import org.yoloddp.train.ValidationResult;

/**
 * Mean average precision as YOLOv5's validation computes it, shared out over the ranks.
 *
 * <p>Images are sorted by shape and cut into rectangular batches as a single rank would; batch k
 * goes to rank k mod W, nothing is padded, and a rank may have no batch at all. What each rank
 * found is brought to all of them and sorted by image, so that with equal intra-op threads the
 * result is bit-equal whatever the number of ranks.
 *
 * <p>One instance per rank.
 */
public final class DetectionValidation implements Validation {

    /** Strides by which a batch is larger than its images. */
    private static final double PADDING = 0.5;

    private static final int LARGEST_BATCH = 32;
    private static final double HEAP_SHARE = 0.125;

    private final SampleSource source;
    private final int imageSize;
    private final int stride;
    private final PredictionDecoder decoder;
    private final NonMaxSuppression suppression;
    private final @Nullable TrainingLoss loss;

    private DetectionValidation(
            DetectionSplit split,
            int imageSize,
            int stride,
            PredictionDecoder decoder,
            NonMaxSuppression suppression,
            @Nullable TrainingLoss loss) {
        this.source = new SampleSource(split, imageSize, false);
        this.imageSize = imageSize;
        this.stride = stride;
        this.decoder = decoder;
        this.suppression = suppression;
        this.loss = loss;
    }

    /**
     * Starts to build a validation.
     *
     * @return a builder
     */
    public static Builder builder() {
        return new Builder();
    }

    @Override
    public ValidationResult run(ValidationContext context) {
        return evaluate(context).toResult();
    }

    /**
     * Runs the validation and returns all that it found, the confusion matrix included.
     *
     * @param context the rank, its predictor and how to load
     * @return the metrics, equal on all ranks
     */
    public DetectionMetrics metrics(ValidationContext context) {
        return evaluate(context).metrics();
    }

    private record Outcome(DetectionMetrics metrics, Map<String, Double> losses) {

        ValidationResult toResult() {
            Map<String, Double> all = new LinkedHashMap<>();
            all.put("precision", metrics.precision());
            all.put("recall", metrics.recall());
            all.put("mAP50", metrics.map50());
            all.put("mAP50-95", metrics.map50To95());
            all.putAll(losses);
            Map<String, Map<String, Double>> byClass = new LinkedHashMap<>();
            for (ClassMetrics c : metrics.classes()) {
                Map<String, Double> values = new LinkedHashMap<>();
                values.put("images", (double) c.images());
                values.put("instances", (double) c.labels());
                values.put("precision", c.precision());
                values.put("recall", c.recall());
                values.put("mAP50", c.map50());
                values.put("mAP50-95", c.map50To95());
                byClass.put(c.name(), values);
            }
            return new ValidationResult(metrics.fitness(), all, byClass);
        }
    }

    private Outcome evaluate(ValidationContext context) {
        RankContext rank = context.rank();
        long cache =
                (long) (context.loading().cacheBytes() * (1 - DetectionTrainingData.CACHE_SHARE));
        source.limit(cache / rank.localWorldSize(), HEAP_SHARE / rank.localWorldSize());
        List<BatchRequest> all = batches(context);
        List<BatchRequest> own = new ArrayList<>();
        for (int k = rank.rank(); k < all.size(); k += rank.worldSize()) {
            own.add(all.get(k));
        }
        DetectionEvaluator evaluator = new DetectionEvaluator(source.split().classNames());
        StatisticsExchange exchange = new StatisticsExchange(evaluator);
        try (BatchLoader loader =
                new BatchLoader(
                        "yolo-ddp-validation-loader-" + rank.rank(),
                        own,
                        new Letterboxed(),
                        DetectionTrainingData.workers(context.loading(), rank),
                        context.loading().prefetch(),
                        rank.deadlines().data())) {
            for (int i = 0; i < own.size(); i++) {
                int number = rank.rank() + i * rank.worldSize();
                try (NDManager scope = rank.manager().newSubManager()) {
                    judge(loader.next(), number, context, scope, evaluator, exchange);
                }
            }
        }
        context.meeting().run();
        exchange.exchange(rank.communicator());
        return new Outcome(evaluator.metrics(), meanLosses(exchange, all.size()));
    }

    /** The same batches whatever the number of ranks. */
    private List<BatchRequest> batches(ValidationContext context) {
        int total = context.batchSize() * context.rank().worldSize();
        return RectangularBatches.of(
                source.split().samples(),
                imageSize,
                Math.min(total, LARGEST_BATCH),
                stride,
                PADDING);
    }

    private void judge(
            LoadedBatch batch,
            int number,
            ValidationContext context,
            NDManager scope,
            DetectionEvaluator evaluator,
            StatisticsExchange exchange) {
        NDList predictions = context.predictor().apply(batch.data(scope));
        if (loss != null) {
            LossValue value = loss.evaluate(batch.labels(scope), decoder.lossInputs(predictions));
            exchange.addLoss(number, value.terms().toFloatArray());
        }
        NDArray decoded = decoder.decode(predictions);
        int columns = (int) decoded.getShape().get(2);
        for (int i = 0; i < batch.samples().size(); i++) {
            ImageSample sample = batch.samples().get(i);
            // image by image: all rows of a batch would be a large part of a small heap
            List<Detection> boxes;
            try (NDArray rows = decoded.get(i)) {
                boxes = suppression.apply(rows.toFloatArray(), columns);
            }
            evaluator.add(
                    sample.index(),
                    sample.placement().toFile(boxes),
                    truth(sample, batch.width(), batch.height()));
        }
    }

    /** Labels in pixels of the file, by way of the network's input as detections come. */
    private static float[][] truth(ImageSample sample, int width, int height) {
        float[][] boxes = new float[sample.labels().length][];
        for (int i = 0; i < boxes.length; i++) {
            float[] row = sample.labels()[i];
            float x = row[1] * width;
            float y = row[2] * height;
            float halfWidth = row[3] * width / 2;
            float halfHeight = row[4] * height / 2;
            boxes[i] =
                    new float[] {
                        row[0], x - halfWidth, y - halfHeight, x + halfWidth, y + halfHeight
                    };
        }
        sample.placement().toFile(boxes);
        return boxes;
    }

    private Map<String, Double> meanLosses(StatisticsExchange exchange, int batches) {
        Map<String, Double> result = new LinkedHashMap<>();
        List<String> terms = loss == null ? List.of() : loss.terms();
        for (int t = 0; t < terms.size(); t++) {
            double sum = 0;
            for (float[] values : exchange.losses().values()) {
                sum += values[t];
            }
            result.put("val/" + terms.get(t), sum / batches);
        }
        return result;
    }

    /** Images on the rectangle of their batch, never enlarged beyond the network's size. */
    private final class Letterboxed implements BatchLoader.SampleLoader {

        @Override
        public ImageSample load(int index, int width, int height) {
            return new Letterbox(width, height, false, 0).apply(source.load(index));
        }

        @Override
        public Path path(int index) {
            return source.split().samples().get(index).path();
        }
    }

    /** Builds a {@link DetectionValidation}. */
    public static final class Builder {

        private @Nullable DetectionSplit split;
        private @Nullable PredictionDecoder decoder;
        private @Nullable TrainingLoss loss;
        private int imageSize = 640;
        private int stride = 32;
        private NonMaxSuppression suppression = NonMaxSuppression.forValidation();

        private Builder() {}

        /**
         * Sets the images to judge on.
         *
         * @param value the images
         * @return this builder
         */
        public Builder setSplit(DetectionSplit value) {
            split = value;
            return this;
        }

        /**
         * Sets how to read the network's output.
         *
         * @param value the decoder
         * @return this builder
         */
        public Builder setDecoder(PredictionDecoder value) {
            decoder = value;
            return this;
        }

        /**
         * Sets the longer side of the images; default 640.
         *
         * @param value the size in pixels
         * @return this builder
         */
        public Builder optImageSize(int value) {
            imageSize = value;
            return this;
        }

        /**
         * Sets what the sides of a batch are multiples of; default 32.
         *
         * @param value the largest stride of the network
         * @return this builder
         */
        public Builder optStride(int value) {
            stride = value;
            return this;
        }

        /**
         * Sets how boxes are suppressed; default {@link NonMaxSuppression#forValidation()}.
         *
         * @param value the settings
         * @return this builder
         */
        public Builder optSuppression(NonMaxSuppression value) {
            suppression = value;
            return this;
        }

        /**
         * Sets a loss whose terms are reported too, as {@code val/} and the name of the term: the
         * mean over the batches.
         *
         * @param value the loss of this rank
         * @return this builder
         */
        public Builder optLoss(TrainingLoss value) {
            loss = value;
            return this;
        }

        /**
         * Builds the validation.
         *
         * @return the validation of one rank
         * @throws ConfigurationException if images or decoder are missing
         */
        public DetectionValidation build() {
            if (split == null || decoder == null) {
                throw new ConfigurationException(
                        "a DetectionValidation needs setSplit and setDecoder");
            }
            return new DetectionValidation(split, imageSize, stride, decoder, suppression, loss);
        }
    }
}
