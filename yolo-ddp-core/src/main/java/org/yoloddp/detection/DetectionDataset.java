package org.yoloddp.detection;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A data set in YOLO format: a {@code data.yaml} that names the classes and says where the images
 * of {@code train}, {@code val} and, optionally, {@code test} are.
 *
 * <p>The labels of {@code …/images/x.jpg} are in {@code …/labels/x.txt}, a line per box: class,
 * centre x, centre y, width and height as fractions of the image, or the class and a polygon. An
 * image without labels shows background. Files that are damaged are left out and listed in {@link
 * #problems()}; nothing is ever changed, downloaded or executed. Thread-safe.
 */
public final class DetectionDataset {

    private final DataYaml yaml;
    private final Map<String, DetectionSplit> splits = new ConcurrentHashMap<>();

    private DetectionDataset(DataYaml yaml) {
        this.yaml = yaml;
    }

    /**
     * Reads the description and verifies the images and labels of {@code train} and {@code val};
     * {@code test} is verified when it is asked for.
     *
     * @param dataYaml the description; relative paths in it start from its folder
     * @return the data set
     * @throws DatasetException if the description is missing or wrong, a part has no images or no
     *     labels at all, or a class is out of range
     */
    public static DetectionDataset load(Path dataYaml) {
        DetectionDataset dataset = new DetectionDataset(DataYaml.read(dataYaml));
        dataset.split("train");
        dataset.split("val");
        return dataset;
    }

    /**
     * Returns the names of the classes.
     *
     * @return the names, by index
     */
    public List<String> classNames() {
        return yaml.names();
    }

    /**
     * Returns the file that describes the data set.
     *
     * @return the path of the data.yaml
     */
    public Path description() {
        return yaml.file();
    }

    /**
     * Returns the parts that the data set has.
     *
     * @return the names of the parts, in the order train, val, test
     */
    public Set<String> splitNames() {
        return yaml.splits().keySet();
    }

    /**
     * Returns a part of the data set.
     *
     * @param name {@code train}, {@code val} or {@code test}
     * @return its images and labels
     * @throws DatasetException if there is no such part, or it can't be used
     */
    public DetectionSplit split(String name) {
        return splits.computeIfAbsent(name, key -> SplitReader.read(yaml, key));
    }

    /**
     * Returns what is wrong with files of the parts that were read so far.
     *
     * @return the problems, by part and path
     */
    public List<DatasetProblem> problems() {
        List<DatasetProblem> result = new ArrayList<>();
        for (String name : splitNames()) {
            DetectionSplit split = splits.get(name);
            if (split != null) {
                result.addAll(split.problems());
            }
        }
        return result;
    }
}
