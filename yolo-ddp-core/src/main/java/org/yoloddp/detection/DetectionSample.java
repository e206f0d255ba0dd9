package org.yoloddp.detection;

import java.nio.file.Path;

/**
 * One image of a data set and its labels.
 *
 * @param path the image
 * @param width its width in pixels, after the rotation that its EXIF data asks for
 * @param height its height in pixels, after that rotation
 * @param labels rows of class, centre x, centre y, width, height; all but the class are fractions
 *     of the image. Not to be changed.
 */
public record DetectionSample(Path path, int width, int height, float[][] labels) {}
