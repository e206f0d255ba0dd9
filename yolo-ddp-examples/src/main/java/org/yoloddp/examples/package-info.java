/** The program yolo-ddp: training, validation, detection, benchmarks. */
@NullMarked
package org.yoloddp.examples;

import org.jspecify.annotations.NullMarked;
