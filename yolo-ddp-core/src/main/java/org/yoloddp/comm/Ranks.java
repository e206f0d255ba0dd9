package org.yoloddp.comm;

import java.util.List;

/** Lists of ranks in messages. */
final class Ranks {

    private Ranks() {}

    /** Writes {@code rank 1}, {@code ranks 0, 2} or {@code ranks 0-2, 5}. */
    static String list(List<Integer> ranks) {
        StringBuilder text = new StringBuilder(ranks.size() == 1 ? "rank " : "ranks ");
        for (int i = 0; i < ranks.size(); ) {
            int end = i;
            while (end + 1 < ranks.size() && ranks.get(end + 1) == ranks.get(end) + 1) {
                end++;
            }
            if (i > 0) {
                text.append(", ");
            }
            text.append(ranks.get(i));
            if (end > i) {
                text.append(end == i + 1 ? ", " : "-").append(ranks.get(end));
            }
            i = end + 1;
        }
        return text.toString();
    }
}
