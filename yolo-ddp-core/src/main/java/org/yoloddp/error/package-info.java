/** The base of every exception that this library throws. */
@NullMarked
package org.yoloddp.error;

import org.jspecify.annotations.NullMarked;
