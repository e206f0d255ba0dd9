package org.yoloddp.detection;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Verifies the images and labels of a split by the original's rules. */
final class SplitReader {

    private static final Logger LOG = LoggerFactory.getLogger(SplitReader.class);
    private static final int SMALLEST = 10;

    private SplitReader() {}

    /** A sample, unless it was dropped, and what is wrong with it, or with the data set. */
    private record Verified(
            @Nullable DetectionSample sample,
            List<DatasetProblem> problems,
            @Nullable DatasetException fatal) {

        static Verified dropped(Path file, String message) {
            return new Verified(null, List.of(new DatasetProblem(file, true, message)), null);
        }
    }

    static DetectionSplit read(DataYaml yaml, String name) {
        List<Path> sources = yaml.splits().get(name);
        if (sources == null) {
            throw DatasetException.noSplit(yaml.file(), name, yaml.splits().keySet());
        }
        List<Path> images = images(yaml, name, sources);
        List<Verified> verified =
                images.parallelStream().map(image -> verify(image, yaml.names().size())).toList();
        List<DetectionSample> samples = new ArrayList<>();
        List<DatasetProblem> problems = new ArrayList<>();
        int labels = 0;
        for (Verified one : verified) {
            if (one.fatal != null) {
                throw one.fatal;
            }
            problems.addAll(one.problems);
            if (one.sample != null) {
                samples.add(one.sample);
                labels += one.sample.labels().length;
            }
        }
        if (samples.isEmpty()) {
            throw DatasetException.noUsableImages(
                    yaml.file(), name, images.size(), problems.get(0));
        }
        if (labels == 0) {
            throw DatasetException.noLabels(
                    yaml.file(), name, samples.size(), ImageFiles.labels(samples.get(0).path()));
        }
        DetectionSplit split = new DetectionSplit(name, yaml.names(), samples, problems);
        log(split, images.size(), labels);
        return split;
    }

    private static List<Path> images(DataYaml yaml, String name, List<Path> sources) {
        List<Path> images = new ArrayList<>();
        for (Path source : sources) {
            if (!Files.exists(source)) {
                throw DatasetException.missingPath(yaml.file(), name, source);
            }
            try {
                images.addAll(ImageFiles.find(source));
            } catch (IOException | UncheckedIOException e) {
                throw DatasetException.unreadable(source, e);
            }
        }
        if (images.isEmpty()) {
            throw DatasetException.noImages(
                    yaml.file(), name, sources.size() == 1 ? sources.get(0) : sources);
        }
        images.sort(Comparator.comparing(Path::toString));
        return images;
    }

    private static Verified verify(Path image, int classes) {
        ImageHeader header;
        try {
            header = ImageHeader.read(image);
        } catch (ImageHeader.BadImage e) {
            return Verified.dropped(image, e.getMessage());
        } catch (IOException e) {
            return Verified.dropped(image, "cannot be read: " + e);
        }
        if (header.width() < SMALLEST || header.height() < SMALLEST) {
            return Verified.dropped(
                    image, header.width() + "x" + header.height() + " pixels; the least is 10x10");
        }
        List<DatasetProblem> problems = new ArrayList<>();
        if (header.truncated()) {
            problems.add(
                    new DatasetProblem(
                            image, false, "JPEG without end marker; used as far as it decodes"));
        }
        Path file = ImageFiles.labels(image);
        try {
            LabelFile labels = LabelFile.read(file, classes);
            if (labels.duplicates() > 0) {
                problems.add(
                        new DatasetProblem(
                                file, false, labels.duplicates() + " repeated rows ignored"));
            }
            return new Verified(
                    new DetectionSample(image, header.width(), header.height(), labels.rows()),
                    problems,
                    null);
        } catch (LabelFile.BadLabels e) {
            return Verified.dropped(file, e.getMessage());
        } catch (DatasetException e) {
            return new Verified(null, List.of(), e);
        }
    }

    private static void log(DetectionSplit split, int images, int labels) {
        LOG.info(
                "{}: {} images, {} labels, {} backgrounds, {} images left out",
                split.name(),
                split.size(),
                labels,
                split.backgrounds(),
                images - split.size());
        for (DatasetProblem problem : split.problems()) {
            LOG.warn("{}: {}", problem.file(), problem.message());
        }
    }
}
