package org.yoloddp.examples;

import java.nio.file.Path;
import java.time.Duration;
import org.yoloddp.error.YoloDdpException;

/** The program that is to be compared with can't be run. */
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

    static RivalException ended(String python, Path script, String lastWords) {
        return new RivalException(
                script.getFileName()
                        + " has ended"
                        + (lastWords.isEmpty() ? "" : " with '" + lastWords + "'")
                        + "; '"
                        + python
                        + " "
                        + script
                        + " --help' says what to install");
    }

    static RivalException silent(Path script, Duration limit) {
        return new RivalException(
                script.getFileName() + " has not answered within " + limit.toSeconds() + " s");
    }
}
