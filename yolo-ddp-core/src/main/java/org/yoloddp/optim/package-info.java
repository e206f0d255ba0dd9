/** Optimizers, parameter groups, gradient clipping and the moving average of weights. */
@NullMarked
package org.yoloddp.optim;

import org.jspecify.annotations.NullMarked;
