package org.yoloddp.comm;

import java.util.List;
import org.yoloddp.error.YoloDdpException;

/**
 * What a rank in another process died of: it reads like the original, whose class this process need
 * not have. The stack is the original's.
 */
public final class RemoteCauseException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    private final transient String text;

    private RemoteCauseException(String message, String text) {
        super(message);
        this.text = text;
    }

    /**
     * Creates the exception.
     *
     * @param message the original's message, empty if it had none
     * @param text the original as {@code toString} shows it
     * @param stack the original's stack, empty if unknown
     * @return the exception
     */
    public static RemoteCauseException of(
            String message, String text, List<StackTraceElement> stack) {
        RemoteCauseException exception = new RemoteCauseException(message, text);
        exception.setStackTrace(stack.toArray(new StackTraceElement[0]));
        return exception;
    }

    /**
     * Creates an exception for what was seen from outside, such as a missing heartbeat.
     *
     * @param text what was seen
     * @return the exception, without a stack
     */
    public static RemoteCauseException seen(String text) {
        return of(text, text, List.of());
    }

    /**
     * Returns the original as text.
     *
     * @return class and message, or what was seen
     */
    @Override
    public String toString() {
        return text;
    }
}
