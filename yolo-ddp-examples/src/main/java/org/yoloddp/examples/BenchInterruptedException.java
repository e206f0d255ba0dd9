package org.yoloddp.examples;

import org.yoloddp.error.YoloDdpException;

/** A benchmark was interrupted while it waited. */
final class BenchInterruptedException extends YoloDdpException {

    private static final long serialVersionUID = 1;

    BenchInterruptedException() {
        super("the benchmark was interrupted");
    }
}
