package org.yoloddp.detection;

import ai.djl.ndarray.NDManager;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;
import org.yoloddp.train.BatchPlan;
import org.yoloddp.train.BatchStream;
import org.yoloddp.train.Loading;
import org.yoloddp.train.RankContext;
import org.yoloddp.train.RunFacts;
import org.yoloddp.train.TrainingBatch;
import org.yoloddp.train.TrainingData;

/**
 * Batches of images and boxes for training.
 *
 * <p>The data of a batch is one float32 array, N×3×H×W in [0, 1], red first, whose memory is
 * interleaved (channels_last). Its labels are one float32 array of rows: number of the image in the
 * batch, class, centre x, centre y, width, height as fractions of the image. Thread-safe; decoded
 * images are kept for all ranks together.
 */
public final class DetectionTrainingData implements TrainingData {

    /** The rest of the cache, and as much of the heap, is the validation's. */
    static final double CACHE_SHARE = 0.75;

    private static final double HEAP_SHARE = 0.25;
    private static final int MOST_WORKERS = 8;

    private final SampleSource source;
    private final int imageSize;
    private final ImageTransform transform;

    /**
     * Creates training data.
     *
     * @param split the images
     * @param imageSize the width and height of the network's input
     * @param transform makes a square of that size of an image whose longer side has it already,
     *     for example {@link Transforms#yolov5Train}
     */
    public DetectionTrainingData(DetectionSplit split, int imageSize, ImageTransform transform) {
        this.source = new SampleSource(split, imageSize, true);
        this.imageSize = imageSize;
        this.transform = transform;
    }

    @Override
    public int size() {
        return source.split().size();
    }

    /**
     * Identifies the images by the names of their files, their sizes and their labels.
     *
     * @return the number of images and a hash
     */
    @Override
    public String fingerprint() {
        StringBuilder text = new StringBuilder();
        for (DetectionSample sample : source.split().samples()) {
            text.append(sample.path().getFileName())
                    .append(' ')
                    .append(sample.width())
                    .append('x')
                    .append(sample.height())
                    .append(' ')
                    .append(Arrays.deepToString(sample.labels()))
                    .append('\n');
        }
        return size() + " images, " + RunFacts.sha256(text.toString()).substring(0, 16);
    }

    @Override
    public BatchStream open(BatchPlan plan) {
        source.limit((long) (plan.loading().cacheBytes() * CACHE_SHARE), HEAP_SHARE);
        int[] indices = plan.indices();
        List<BatchRequest> requests = new ArrayList<>();
        for (int from = 0; from < indices.length; from += plan.batchSize()) {
            int to = Math.min(from + plan.batchSize(), indices.length);
            requests.add(
                    new BatchRequest(Arrays.copyOfRange(indices, from, to), imageSize, imageSize));
        }
        BatchLoader loader =
                new BatchLoader(
                        "yolo-ddp-loader-" + plan.rank().rank(),
                        requests,
                        new Augmenting(plan.rank().seed(), plan.epoch()),
                        workers(plan.loading(), plan.rank()),
                        plan.loading().prefetch(),
                        plan.rank().deadlines().data());
        return new Stream(loader);
    }

    /** Unless asked for, the ranks of a host share its cores. */
    static int workers(Loading loading, RankContext rank) {
        if (loading.workers() > 0) {
            return loading.workers();
        }
        int cores = Runtime.getRuntime().availableProcessors();
        return Math.min(MOST_WORKERS, Math.max(1, cores / rank.localWorldSize()));
    }

    /** The images of one epoch: the same whichever rank and thread loads them. */
    private final class Augmenting implements BatchLoader.SampleLoader {

        private final long seed;
        private final int epoch;

        Augmenting(long seed, int epoch) {
            this.seed = seed;
            this.epoch = epoch;
        }

        @Override
        public ImageSample load(int index, int width, int height) {
            RandomGenerator random = random(seed, epoch, index);
            ImageSample result = transform.apply(source.load(index), new Context(random));
            PixelImage image = result.image();
            if (image.width() != width || image.height() != height) {
                throw DatasetException.wrongSize(path(index), image, width, height);
            }
            return result;
        }

        @Override
        public Path path(int index) {
            return source.split().samples().get(index).path();
        }
    }

    static RandomGenerator random(long seed, int epoch, int index) {
        // each number is mixed in through a generator of its own, so that neighbours share nothing
        long mixed = new SplittableRandom(seed).nextLong();
        mixed = new SplittableRandom(mixed + epoch).nextLong();
        return new SplittableRandom(mixed + index);
    }

    private final class Context implements TransformContext {

        private final RandomGenerator random;

        Context(RandomGenerator random) {
            this.random = random;
        }

        @Override
        public RandomGenerator random() {
            return random;
        }

        @Override
        public int size() {
            return source.split().size();
        }

        @Override
        public ImageSample load(int index) {
            return source.load(index);
        }
    }

    private record Stream(BatchLoader loader) implements BatchStream {

        @Override
        public TrainingBatch next(NDManager manager) {
            LoadedBatch batch = loader.next();
            return new TrainingBatch(
                    batch.data(manager), batch.labels(manager), batch.samples().size());
        }

        @Override
        public void close() {
            loader.close();
        }
    }
}
