package org.yoloddp.examples;

import java.io.IOException;
import java.io.InputStream;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import org.yoloddp.launch.Launcher;

/**
 * Ends a worker whose launcher has gone, even by kill -9: the launcher holds the other end of the
 * worker's standard input, which then ends.
 */
final class LauncherWatch {

    /** A training that the end of its launcher interrupts may finish its step. */
    private static final Duration LAST_STEP = Duration.ofSeconds(10);

    private LauncherWatch() {}

    /** Watches, if the environment says that this is a launcher's worker. */
    static void start(Map<String, String> environment, InputStream input, Console console) {
        if (!"1".equals(environment.get(Launcher.PIPE_VARIABLE))) {
            return;
        }
        daemon(
                "launcher watch",
                () -> {
                    awaitEnd(input);
                    console.err()
                            .println(
                                    "error: LauncherLostException: the launcher of this process has"
                                            + " ended, and so does this process; see what ended the"
                                            + " launcher");
                    console.err().flush();
                    daemon(
                            "last step",
                            () -> {
                                long end = System.nanoTime() + LAST_STEP.toNanos();
                                while (System.nanoTime() - end < 0) {
                                    LockSupport.parkNanos(LAST_STEP.toNanos());
                                }
                                Runtime.getRuntime().halt(ExitCode.FAILED);
                            });
                    System.exit(ExitCode.FAILED);
                });
    }

    private static void awaitEnd(InputStream input) {
        try {
            int next = input.read();
            while (next >= 0) {
                next = input.read();
            }
        } catch (IOException e) {
            // as good as its end
        }
    }

    private static void daemon(String name, Runnable action) {
        Thread thread = new Thread(action, name);
        thread.setDaemon(true);
        thread.start();
    }
}
