package org.yoloddp.examples;

import java.time.Duration;
import org.yoloddp.error.YoloDdpException;

/** A program that is to take part in a comparison can't be run. */
final class RivalException extends YoloDdpException {

    private static final long serialVersionUID = 1;

    private RivalException(String message, Throwable cause) {
        super(message, cause);
    }

    private RivalException(String message) {
        super(message);
    }

    static RivalException notStarted(String python, Throwable cause) {
        return new RivalException(
                python + " can't be started; give a Python 3 by --python: " + cause.getMessage(),
                cause);
    }

    static RivalException ended(String name, String lastWords, String advice) {
        return new RivalException(
                name
                        + " has ended"
                        + (lastWords.isEmpty() ? "" : " with '" + lastWords + "'")
                        + "; "
                        + advice);
    }

    static RivalException silent(String name, Duration limit) {
        return new RivalException(name + " has not answered within " + limit.toSeconds() + " s");
    }
}
