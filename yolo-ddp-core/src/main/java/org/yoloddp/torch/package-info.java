/** The bridge: what DJL lacks of libtorch, on DJL's own arrays. */
@NullMarked
package org.yoloddp.torch;

import org.jspecify.annotations.NullMarked;
