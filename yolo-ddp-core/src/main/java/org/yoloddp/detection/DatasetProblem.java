package org.yoloddp.detection;

import java.nio.file.Path;

/**
 * Something wrong with a file of a data set that the rest of it does not suffer from.
 *
 * @param file the image or the label file
 * @param dropped true if the image is left out, false if it is used nevertheless
 * @param message what is wrong
 */
public record DatasetProblem(Path file, boolean dropped, String message) {}
