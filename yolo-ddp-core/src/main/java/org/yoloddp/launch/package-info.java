/** Starts the ranks of a job as processes, watches them, and restarts them. */
@NullMarked
package org.yoloddp.launch;

import org.jspecify.annotations.NullMarked;
