package org.yoloddp.comm.tcp;

import org.jspecify.annotations.Nullable;
import org.yoloddp.error.YoloDdpException;

/** What a rank of another process died of: reads like the exception there, with its stack. */
final class RemoteCause extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    private final String text;
    private final @Nullable String remoteMessage;

    RemoteCause(String text, @Nullable String message, StackTraceElement[] stack) {
        super(text);
        this.text = text;
        this.remoteMessage = message;
        setStackTrace(stack);
    }

    @Override
    public @Nullable String getMessage() {
        return remoteMessage;
    }

    @Override
    public String toString() {
        return text;
    }
}
