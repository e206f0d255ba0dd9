package org.yoloddp.detection;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import org.yoloddp.error.YoloDdpException;

/** A data set that can't be used; the message names the file, and the line where there is one. */
public class DatasetException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    private DatasetException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }

    static DatasetException noYaml(Path yaml) {
        return of(
                "no data set description at %s; give the path of a data.yaml that has train, val"
                        + " and names",
                yaml);
    }

    static DatasetException badYaml(Path yaml, String problem, @Nullable Throwable cause) {
        return new DatasetException(
                String.format(Locale.ROOT, "%s is no data set description: %s", yaml, problem),
                cause);
    }

    static DatasetException missingKey(Path yaml, String key) {
        return of("%s has no '%s'; a data set needs train, val and names", yaml, key);
    }

    static DatasetException noSplit(Path yaml, String split, Collection<String> present) {
        return of("%s has no split '%s'; it has %s", yaml, split, String.join(", ", present));
    }

    static DatasetException missingPath(Path yaml, String split, Path path) {
        return of(
                "%s: split '%s' points at %s, which does not exist; nothing is downloaded, so put"
                        + " the images there or mend the path",
                yaml, split, path);
    }

    static DatasetException noImages(Path yaml, String split, Object where) {
        return of(
                "%s: no images for split '%s' in %s; their names end in %s",
                yaml, split, where, String.join(", ", ImageFiles.EXTENSIONS));
    }

    static DatasetException noUsableImages(
            Path yaml, String split, int images, DatasetProblem first) {
        return of(
                "%s: none of the %d images of split '%s' can be used; the first problem is %s: %s",
                yaml, images, split, first.file(), first.message());
    }

    static DatasetException noLabels(Path yaml, String split, int images, Path example) {
        return of(
                "%s: none of the %d images of split '%s' has a label; the labels of the first are"
                        + " looked for in %s",
                yaml, images, split, example);
    }

    static DatasetException classOutOfRange(Path file, int line, long classIndex, int classes) {
        return of(
                "%s, line %d: class %d is out of range; the data set names %d classes, 0 to %d",
                file, line, classIndex, classes, classes - 1);
    }

    static DatasetException unreadable(Path path, Throwable cause) {
        return new DatasetException(
                String.format(Locale.ROOT, "cannot read %s: %s", path, cause), cause);
    }

    static DatasetException unwritable(Path path, Throwable cause) {
        return new DatasetException(
                String.format(Locale.ROOT, "cannot write %s: %s", path, cause), cause);
    }

    static DatasetException unwritableImage(Path image) {
        return of(
                "cannot write the image %s; the folder has to be writable, and the name has to end"
                        + " in png, jpg or another format that OpenCV writes",
                image);
    }

    static DatasetException undecodable(Path image) {
        return of(
                "cannot decode the image %s; it is damaged or of a format that OpenCV does not"
                        + " know, so remove or replace it",
                image);
    }

    static DatasetException loadingFailed(Path image, Throwable cause) {
        return new DatasetException(
                String.format(Locale.ROOT, "cannot load the image %s: %s", image, cause), cause);
    }

    static DatasetException wrongSize(Path image, PixelImage made, int width, int height) {
        return of(
                "the transforms made %dx%d pixels of %s, but a batch needs %dx%d; let a letterbox"
                        + " of that size be among them",
                made.width(), made.height(), image, width, height);
    }

    static DatasetException tooSlow(Duration deadline, List<Path> late) {
        return of(
                "no batch within %s s, %d of its images are missing, the first is %s; is the disk"
                        + " slow, or a transform stuck? The data deadline can be raised",
                deadline.toMillis() / 1000.0, late.size(), late.get(0));
    }

    static DatasetException interrupted(List<Path> late) {
        return of("interrupted while %d images of a batch were being loaded", late.size());
    }

    private static DatasetException of(String format, Object... arguments) {
        return new DatasetException(String.format(Locale.ROOT, format, arguments), null);
    }
}
