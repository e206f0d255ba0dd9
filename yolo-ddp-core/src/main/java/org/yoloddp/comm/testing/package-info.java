/** Fakes for unit tests: groups of threads, scripted communicators and injected faults. */
@NullMarked
package org.yoloddp.comm.testing;

import org.jspecify.annotations.NullMarked;
