package org.yoloddp.detection;

import java.util.List;

/**
 * How well one class is detected.
 *
 * @param index the index of the class
 * @param name the name of the class
 * @param images the number of images with a label of the class
 * @param labels the number of labels of the class, 1 or more
 * @param truePositives the detections that are right at IoU .5
 * @param falsePositives the detections that are wrong at IoU .5
 * @param precision the share of detections that are right
 * @param recall the share of labels that are found
 * @param f1 the harmonic mean of precision and recall
 * @param averagePrecision the average precision at IoU .5, .55 … .95
 */
public record ClassMetrics(
        int index,
        String name,
        int images,
        int labels,
        double truePositives,
        double falsePositives,
        double precision,
        double recall,
        double f1,
        List<Double> averagePrecision) {

    /**
     * Creates the metrics of a class.
     *
     * @param index the index of the class
     * @param name the name of the class
     * @param images the number of images with a label of the class
     * @param labels the number of labels of the class, 1 or more
     * @param truePositives the detections that are right at IoU .5
     * @param falsePositives the detections that are wrong at IoU .5
     * @param precision the share of detections that are right
     * @param recall the share of labels that are found
     * @param f1 the harmonic mean of precision and recall
     * @param averagePrecision the average precision at IoU .5, .55 … .95
     */
    public ClassMetrics {
        averagePrecision = List.copyOf(averagePrecision);
    }

    /**
     * Returns the average precision at IoU .5.
     *
     * @return the average precision, from 0 to 1
     */
    public double map50() {
        return averagePrecision.get(0);
    }

    /**
     * Returns the average precision, averaged over the IoU thresholds .5 to .95.
     *
     * @return the average precision, from 0 to 1
     */
    public double map50To95() {
        return averagePrecision.stream().mapToDouble(Double::doubleValue).average().orElse(0);
    }
}
