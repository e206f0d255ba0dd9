package org.yoloddp.yolo;

import java.util.Arrays;
import org.yoloddp.error.ConfigurationException;

/** Checks sizes of images against a model. */
final class ImageSizes {

    private ImageSizes() {}

    /** Returns the largest stride, of which the size must be a multiple, and at least two. */
    static int check(int imageSize, int[] strides) {
        int stride = Arrays.stream(strides).max().orElseThrow();
        if (imageSize % stride != 0 || imageSize < 2 * stride) {
            int next = Math.max(2, (imageSize + stride - 1) / stride) * stride;
            throw new ConfigurationException(
                    "image size "
                            + imageSize
                            + " is not a multiple of the model's stride "
                            + stride
                            + ", or less than two of it; take "
                            + next);
        }
        return stride;
    }
}
