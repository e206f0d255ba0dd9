package org.yoloddp.rendezvous;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;

/** Writes what threads are doing. */
final class ThreadStacks {

    private static final int MAX_THREADS = 20;
    private static final int MAX_FRAMES = 60;

    private ThreadStacks() {}

    /** Writes the stacks of some threads and of all that are named as those of ranks. */
    static List<String> of(Collection<Thread> wanted) {
        List<String> texts = new ArrayList<>();
        for (Map.Entry<Thread, StackTraceElement[]> entry : Thread.getAllStackTraces().entrySet()) {
            Thread thread = entry.getKey();
            boolean isRank =
                    wanted.contains(thread) || thread.getName().startsWith("yolo-ddp-rank-");
            if (isRank && texts.size() < MAX_THREADS) {
                texts.add(text(thread, entry.getValue()));
            }
        }
        return texts;
    }

    /** Writes the stack of the thread of a rank of this JVM. */
    static List<String> ofRank(int rank) {
        return Thread.getAllStackTraces().entrySet().stream()
                .filter(entry -> entry.getKey().getName().equals("yolo-ddp-rank-" + rank))
                .map(entry -> text(entry.getKey(), entry.getValue()))
                .toList();
    }

    private static String text(Thread thread, StackTraceElement[] stack) {
        StringBuilder text = new StringBuilder();
        text.append('"').append(thread.getName()).append("\" ").append(thread.getState());
        for (int i = 0; i < Math.min(stack.length, MAX_FRAMES); i++) {
            text.append("\n    at ").append(stack[i]);
        }
        return text.toString();
    }
}
