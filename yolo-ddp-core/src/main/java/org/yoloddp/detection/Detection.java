package org.yoloddp.detection;

/**
 * A box that a detector found.
 *
 * @param x1 the left edge in pixels
 * @param y1 the upper edge in pixels
 * @param x2 the right edge in pixels
 * @param y2 the lower edge in pixels
 * @param confidence how sure the detector is, from 0 to 1
 * @param classIndex the index of the class
 */
public record Detection(float x1, float y1, float x2, float y2, float confidence, int classIndex) {}
