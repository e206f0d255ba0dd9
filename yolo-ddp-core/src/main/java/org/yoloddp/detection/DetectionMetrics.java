package org.yoloddp.detection;

import java.util.List;

/**
 * How well a data set is detected, as YOLOv5 reports it.
 *
 * <p>Precision and recall are those at the confidence where the mean F1 over the classes is best.
 * Without a single true positive every figure is 0 and {@link #classes()} is empty.
 *
 * @param images the number of images
 * @param labels the number of labels
 * @param detections the number of detections
 * @param precision the mean precision over the classes that have labels
 * @param recall the mean recall over the classes that have labels
 * @param map50 the mean average precision at IoU .5
 * @param map50To95 the mean average precision over IoU .5 to .95
 * @param classes the classes that have labels
 * @param confusion the confusion matrix at confidence .25 and IoU .45: rows are detected classes,
 *     columns true classes, the last of each is background
 */
public record DetectionMetrics(
        int images,
        int labels,
        int detections,
        double precision,
        double recall,
        double map50,
        double map50To95,
        List<ClassMetrics> classes,
        List<List<Long>> confusion) {

    /**
     * Creates the metrics of a data set.
     *
     * @param images the number of images
     * @param labels the number of labels
     * @param detections the number of detections
     * @param precision the mean precision over the classes that have labels
     * @param recall the mean recall over the classes that have labels
     * @param map50 the mean average precision at IoU .5
     * @param map50To95 the mean average precision over IoU .5 to .95
     * @param classes the classes that have labels
     * @param confusion the confusion matrix
     */
    public DetectionMetrics {
        classes = List.copyOf(classes);
        confusion = confusion.stream().map(List::copyOf).toList();
    }

    /**
     * Returns YOLOv5's figure for the best epoch.
     *
     * @return a tenth of mAP50 and nine tenths of mAP50-95
     */
    public double fitness() {
        return fitness(map50, map50To95);
    }

    static double fitness(double map50, double map50To95) {
        return 0.1 * map50 + 0.9 * map50To95;
    }
}
