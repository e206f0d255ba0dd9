/** Learning rates and other hyperparameters as functions of the step. */
@NullMarked
package org.yoloddp.schedule;

import org.jspecify.annotations.NullMarked;
