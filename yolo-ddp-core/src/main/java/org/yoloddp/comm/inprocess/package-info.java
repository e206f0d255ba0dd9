/** The communicator between the threads of one JVM. */
@NullMarked
package org.yoloddp.comm.inprocess;

import org.jspecify.annotations.NullMarked;
