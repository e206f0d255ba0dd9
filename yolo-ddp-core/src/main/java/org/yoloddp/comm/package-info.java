/** Communicators: collectives over plain memory, without a word of tensors. */
@NullMarked
package org.yoloddp.comm;

import org.jspecify.annotations.NullMarked;
