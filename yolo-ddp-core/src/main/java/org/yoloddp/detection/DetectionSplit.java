package org.yoloddp.detection;

import java.util.List;

/**
 * The usable images of one part of a data set, sorted by path. Immutable.
 *
 * @param name the name of the part: {@code train}, {@code val} or {@code test}
 * @param classNames the names of the classes, by index
 * @param samples the images and their labels
 * @param problems what is wrong with files, sorted by path
 */
public record DetectionSplit(
        String name,
        List<String> classNames,
        List<DetectionSample> samples,
        List<DatasetProblem> problems) {

    /**
     * Creates a part of a data set.
     *
     * @param name the name of the part
     * @param classNames the names of the classes, by index
     * @param samples the images and their labels
     * @param problems what is wrong with files
     */
    public DetectionSplit {
        classNames = List.copyOf(classNames);
        samples = List.copyOf(samples);
        problems = List.copyOf(problems);
    }

    /**
     * Returns the number of usable images.
     *
     * @return the number of images
     */
    public int size() {
        return samples.size();
    }

    /**
     * Returns how many images have no label.
     *
     * @return the number of images that show background only
     */
    public int backgrounds() {
        return (int) samples.stream().filter(sample -> sample.labels().length == 0).count();
    }

    /**
     * Returns how many labels each class has.
     *
     * @return the numbers, by class index
     */
    public int[] instancesPerClass() {
        int[] result = new int[classNames.size()];
        for (DetectionSample sample : samples) {
            for (float[] row : sample.labels()) {
                result[(int) row[0]]++;
            }
        }
        return result;
    }
}
