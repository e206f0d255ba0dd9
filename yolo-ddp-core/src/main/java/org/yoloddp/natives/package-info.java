/** Loads the natives: exactly one libtorch for DJL and JavaCPP, and OpenCV. */
@NullMarked
package org.yoloddp.natives;

import org.jspecify.annotations.NullMarked;
