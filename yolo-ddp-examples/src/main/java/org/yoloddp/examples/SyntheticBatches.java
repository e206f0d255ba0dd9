package org.yoloddp.examples;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.nio.ByteBuffer;
import java.util.Random;
import org.yoloddp.train.BatchPlan;
import org.yoloddp.train.BatchStream;
import org.yoloddp.train.TrainingBatch;
import org.yoloddp.train.TrainingData;

/** One batch of noise with random boxes, again and again: nothing is loaded or decoded. */
final class SyntheticBatches implements TrainingData {

    private static final int LABEL_COLUMNS = 6;

    private final int imageSize;
    private final int batchSize;
    private final int boxes;
    private final int classes;
    private final int batches;

    SyntheticBatches(int imageSize, int batchSize, int boxes, int classes, int batches) {
        this.imageSize = imageSize;
        this.batchSize = batchSize;
        this.boxes = boxes;
        this.classes = classes;
        this.batches = batches;
    }

    @Override
    public int size() {
        return batches * batchSize;
    }

    @Override
    public BatchStream open(BatchPlan plan) {
        Random random = new Random(0);
        byte[] pixels = new byte[batchSize * imageSize * imageSize * 3];
        random.nextBytes(pixels);
        float[] rows = rows(random);
        return new BatchStream() {
            @Override
            public TrainingBatch next(NDManager manager) {
                return new TrainingBatch(
                        new NDList(images(manager, pixels)),
                        new NDList(
                                manager.create(
                                        rows,
                                        new Shape(rows.length / LABEL_COLUMNS, LABEL_COLUMNS))),
                        batchSize);
            }

            @Override
            public void close() {
                // nothing is open
            }
        };
    }

    /** As the loader makes them: bytes with interleaved colours, seen as float32 NCHW. */
    private NDArray images(NDManager manager, byte[] pixels) {
        Shape shape = new Shape(batchSize, imageSize, imageSize, 3);
        try (NDArray bytes = manager.create(ByteBuffer.wrap(pixels), shape, DataType.UINT8);
                NDArray floats = bytes.toType(DataType.FLOAT32, false)) {
            return floats.divi(255f).transpose(0, 3, 1, 2);
        }
    }

    /** Rows of image, class, centre x, centre y, width, height. */
    private float[] rows(Random random) {
        float[] rows = new float[batchSize * boxes * LABEL_COLUMNS];
        for (int i = 0; i < batchSize * boxes; i++) {
            float width = 0.05f + 0.4f * random.nextFloat();
            float height = 0.05f + 0.4f * random.nextFloat();
            int at = i * LABEL_COLUMNS;
            rows[at] = i / boxes;
            rows[at + 1] = random.nextInt(classes);
            rows[at + 2] = width / 2 + random.nextFloat() * (1 - width);
            rows[at + 3] = height / 2 + random.nextFloat() * (1 - height);
            rows[at + 4] = width;
            rows[at + 5] = height;
        }
        return rows;
    }
}
