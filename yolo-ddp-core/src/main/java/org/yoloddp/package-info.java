/**
 * The way in: {@link org.yoloddp.DistributedTrainer#builder()} describes a training, {@link
 * org.yoloddp.World} says where its ranks live.
 *
 * <p>In builders {@code setX} is required, {@code optX} is not, and {@code addX} may be called
 * again. Groups of options are immutable: {@code withX} returns a changed copy. Optimizers,
 * learning rates and samplers are written as chains of plain names, each of which returns a changed
 * copy too.
 */
@NullMarked
package org.yoloddp;

import org.jspecify.annotations.NullMarked;
