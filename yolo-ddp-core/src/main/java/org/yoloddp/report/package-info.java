/** The run folder: csv, json and TensorBoard events. */
@NullMarked
package org.yoloddp.report;

import org.jspecify.annotations.NullMarked;
