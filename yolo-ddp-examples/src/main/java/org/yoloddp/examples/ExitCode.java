package org.yoloddp.examples;

import org.yoloddp.error.ConfigurationException;
import org.yoloddp.launch.WorkerFailedException;

/** What the program's exit codes mean. */
final class ExitCode {

    static final int DONE = 0;
    static final int FAILED = 1;
    static final int WRONG_USE = 2;
    static final int INTERRUPTED = 130;
    static final int TERMINATED = 143;

    private ExitCode() {}

    static int of(Exception failure) {
        boolean ranksWereUsedWrongly =
                failure instanceof WorkerFailedException launched
                        && launched.report()
                                .rootCause()
                                .filter(root -> root.exitCode() == WRONG_USE)
                                .isPresent();
        return failure instanceof ConfigurationException || ranksWereUsedWrongly
                ? WRONG_USE
                : FAILED;
    }
}
