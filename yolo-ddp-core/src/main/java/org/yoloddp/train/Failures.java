package org.yoloddp.train;

import org.jspecify.annotations.Nullable;
import org.yoloddp.error.YoloDdpException;

/** What a failed rank throws, and what the caller of a training sees of it. */
final class Failures {

    private Failures() {}

    /** An observer's exception, on its way to the caller as it is. */
    static final class ObserverFailure extends YoloDdpException {

        private static final long serialVersionUID = 1L;

        private final transient Throwable original;

        ObserverFailure(Throwable original) {
            super("an observer failed: " + original, original);
            this.original = original;
        }
    }

    /**
     * Returns what the caller of a training sees: the exception of an observer as it was thrown.
     */
    static Throwable unwrap(Throwable failure) {
        return failure instanceof ObserverFailure observer ? observer.original : failure;
    }

    /** Keeps a later failure beside the first one. */
    static Throwable add(@Nullable Throwable first, Throwable later) {
        if (first == null) {
            return later;
        }
        if (first != later) {
            first.addSuppressed(later);
        }
        return first;
    }

    /** Closes something after a failure. */
    static void closeAfter(Throwable failure, AutoCloseable closed) {
        try {
            closed.close();
        } catch (Throwable t) {
            add(failure, t);
        }
    }

    /**
     * Throws any exception as it is; it is checked only if an observer threw it so, past the
     * compiler.
     */
    @SuppressWarnings("unchecked")
    static <E extends Throwable> RuntimeException rethrow(Throwable failure) throws E {
        throw (E) failure;
    }
}
