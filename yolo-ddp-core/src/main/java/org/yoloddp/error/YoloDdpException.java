package org.yoloddp.error;

import org.jspecify.annotations.Nullable;

/**
 * Base of every exception that this library throws on purpose.
 *
 * <p>Its message says what happened, where, and what to do about it.
 */
public abstract class YoloDdpException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    /**
     * Creates an exception.
     *
     * @param message what happened, where, and what to do
     */
    protected YoloDdpException(String message) {
        super(message);
    }

    /**
     * Creates an exception with a cause.
     *
     * @param message what happened, where, and what to do
     * @param cause what led to it, or null
     */
    protected YoloDdpException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }
}
