/** Which samples a rank sees in an epoch, and in which order. */
@NullMarked
package org.yoloddp.sampler;

import org.jspecify.annotations.NullMarked;
