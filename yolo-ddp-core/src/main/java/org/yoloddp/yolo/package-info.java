/** YOLOv5: blocks, loss, decoding, weights in and out, and its training task. */
@NullMarked
package org.yoloddp.yolo;

import org.jspecify.annotations.NullMarked;
