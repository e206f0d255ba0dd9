package org.yoloddp.train;

import org.yoloddp.error.YoloDdpException;

/** What a failed rank throws, and what the caller of a training sees of it. */
final class Failures {

    private Failures() {}

    /** An observer's exception, on its way to the caller as it is. */
    static final class ObserverFailure extends YoloDdpException {

        private static final long serialVersionUID = 1L;

        ObserverFailure(RuntimeException cause) {
            super("an observer failed: " + cause, cause);
        }
    }

    /** Rethrows the failure of a training on the thread of its caller. */
    static RuntimeException rethrow(Throwable failure) {
        if (failure instanceof ObserverFailure observer
                && observer.getCause() instanceof RuntimeException original) {
            throw original;
        }
        if (failure instanceof RuntimeException runtime) {
            throw runtime;
        }
        if (failure instanceof Error error) {
            throw error;
        }
        throw new IllegalStateException("a rank threw a checked exception", failure);
    }
}
