/** The library. */
@NullMarked
package org.yoloddp;

import org.jspecify.annotations.NullMarked;
