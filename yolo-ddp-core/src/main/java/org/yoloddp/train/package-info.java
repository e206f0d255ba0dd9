/** The training loop, what it trains, and who watches it. */
@NullMarked
package org.yoloddp.train;

import org.jspecify.annotations.NullMarked;
