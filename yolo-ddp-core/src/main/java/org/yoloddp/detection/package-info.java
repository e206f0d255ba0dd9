/**
 * Detection data sets in YOLO format, transforms, non-maximum suppression and mean average
 * precision.
 */
@NullMarked
package org.yoloddp.detection;

import org.jspecify.annotations.NullMarked;
