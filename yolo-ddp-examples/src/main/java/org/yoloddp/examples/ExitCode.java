package org.yoloddp.examples;

import org.yoloddp.error.ConfigurationException;

/** What the program's exit codes mean. */
final class ExitCode {

    static final int DONE = 0;
    static final int FAILED = 1;
    static final int WRONG_USE = 2;
    static final int INTERRUPTED = 130;

    private ExitCode() {}

    static int of(Exception failure) {
        return failure instanceof ConfigurationException ? WRONG_USE : FAILED;
    }
}
