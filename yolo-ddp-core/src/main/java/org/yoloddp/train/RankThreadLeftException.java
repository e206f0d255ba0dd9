package org.yoloddp.train;

import java.util.Collection;
import java.util.Comparator;
import java.util.stream.Collectors;
import org.yoloddp.error.YoloDdpException;

/** Threads of ranks that didn't end in time and were left behind as daemons. */
public final class RankThreadLeftException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    private RankThreadLeftException(String message) {
        super(message);
    }

    /** Names the threads that are alive, and where they are. */
    static RankThreadLeftException of(Collection<Thread> threads) {
        return new RankThreadLeftException(
                threads.stream()
                        .sorted(Comparator.comparing(Thread::getName))
                        .map(RankThreadLeftException::describe)
                        .collect(
                                Collectors.joining(
                                        "; ",
                                        "threads of ranks that didn't end in time are left behind as"
                                                + " daemons, with their memory: ",
                                        "")));
    }

    private static String describe(Thread thread) {
        StackTraceElement[] stack = thread.getStackTrace();
        return thread.getName() + (stack.length == 0 ? "" : " at " + stack[0]);
    }
}
