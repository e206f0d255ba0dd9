/** What a training does, as events of JDK Flight Recorder. */
@NullMarked
package org.yoloddp.events;

import org.jspecify.annotations.NullMarked;
