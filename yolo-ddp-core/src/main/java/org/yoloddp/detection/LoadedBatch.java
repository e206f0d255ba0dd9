package org.yoloddp.detection;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.nio.ByteBuffer;
import java.util.List;
import org.yoloddp.torch.SideStream;

/**
 * The images of one batch.
 *
 * @param samples the samples, in order
 * @param width the width of each image
 * @param height the height of each image
 * @param rgb the pixels of all images, valid until the next batch is asked for
 */
record LoadedBatch(List<ImageSample> samples, int width, int height, ByteBuffer rgb) {

    private static final int LABEL_COLUMNS = 6;

    /** Float32 of [0, 1], logically NCHW; pixels stay interleaved, which is channels_last. */
    NDList data(NDManager manager) {
        Shape shape = new Shape(samples.size(), height, width, 3);
        try (NDArray bytes = SideStream.bytes(manager, rgb, shape);
                NDArray floats = bytes.toType(DataType.FLOAT32, false)) {
            return new NDList(floats.divi(255f).transpose(0, 3, 1, 2));
        }
    }

    /** Rows of image, class, centre x, centre y, width, height as fractions of the image. */
    NDList labels(NDManager manager) {
        int rows = samples.stream().mapToInt(sample -> sample.labels().length).sum();
        float[] flat = new float[rows * LABEL_COLUMNS];
        int at = 0;
        for (int i = 0; i < samples.size(); i++) {
            for (float[] row : samples.get(i).labels()) {
                flat[at] = i;
                System.arraycopy(row, 0, flat, at + 1, LABEL_COLUMNS - 1);
                at += LABEL_COLUMNS;
            }
        }
        return new NDList(manager.create(flat, new Shape(rows, LABEL_COLUMNS)));
    }
}
