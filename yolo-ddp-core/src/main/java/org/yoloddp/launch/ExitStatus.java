package org.yoloddp.launch;

import java.util.Map;
import java.util.Optional;

/** Exit codes that stand for signals. */
final class ExitStatus {

    /** What a shell and Java add to a signal's number. */
    private static final int SIGNALLED = 128;

    private static final Map<Integer, String> NAMES =
            Map.ofEntries(
                    Map.entry(1, "SIGHUP"),
                    Map.entry(2, "SIGINT"),
                    Map.entry(3, "SIGQUIT"),
                    Map.entry(4, "SIGILL"),
                    Map.entry(6, "SIGABRT"),
                    Map.entry(7, "SIGBUS"),
                    Map.entry(8, "SIGFPE"),
                    Map.entry(9, "SIGKILL"),
                    Map.entry(11, "SIGSEGV"),
                    Map.entry(13, "SIGPIPE"),
                    Map.entry(15, "SIGTERM"),
                    Map.entry(24, "SIGXCPU"),
                    Map.entry(25, "SIGXFSZ"),
                    Map.entry(31, "SIGSYS"));

    private ExitStatus() {}

    static Optional<String> signal(int exitCode) {
        return Optional.ofNullable(NAMES.get(exitCode - SIGNALLED));
    }
}
