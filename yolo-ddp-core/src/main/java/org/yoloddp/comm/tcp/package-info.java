/** The communicator between processes: shared memory within a host. */
@NullMarked
package org.yoloddp.comm.tcp;

import org.jspecify.annotations.NullMarked;
