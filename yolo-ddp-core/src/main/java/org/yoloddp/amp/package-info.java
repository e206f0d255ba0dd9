/** Mixed precision. */
@NullMarked
package org.yoloddp.amp;

import org.jspecify.annotations.NullMarked;
