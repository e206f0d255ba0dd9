/** The communicator between processes: shared memory within a host, sockets between hosts. */
@NullMarked
package org.yoloddp.comm.tcp;

import org.jspecify.annotations.NullMarked;
