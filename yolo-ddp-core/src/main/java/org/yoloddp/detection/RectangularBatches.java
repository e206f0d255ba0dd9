package org.yoloddp.detection;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/** Batches of images of similar shape, each padded no more than that shape needs. */
final class RectangularBatches {

    private RectangularBatches() {}

    /** From the flattest images to the tallest; {@code pad} is in strides. */
    static List<BatchRequest> of(
            List<DetectionSample> samples, int imageSize, int batchSize, int stride, double pad) {
        double[] ratios =
                samples.stream().mapToDouble(s -> (double) s.height() / s.width()).toArray();
        int[] order =
                IntStream.range(0, ratios.length)
                        .boxed()
                        .sorted(Comparator.comparingDouble(i -> ratios[i]))
                        .mapToInt(Integer::intValue)
                        .toArray();
        List<BatchRequest> batches = new ArrayList<>();
        for (int from = 0; from < order.length; from += batchSize) {
            int[] indices =
                    Arrays.copyOfRange(order, from, Math.min(from + batchSize, order.length));
            double flattest = ratios[indices[0]];
            double tallest = ratios[indices[indices.length - 1]];
            double height = tallest < 1 ? tallest : 1;
            double width = flattest > 1 ? 1 / flattest : 1;
            batches.add(
                    new BatchRequest(
                            indices,
                            sides(width, imageSize, stride, pad),
                            sides(height, imageSize, stride, pad)));
        }
        return batches;
    }

    private static int sides(double share, int imageSize, int stride, double pad) {
        return (int) Math.ceil(share * imageSize / stride + pad) * stride;
    }
}
