package org.yoloddp.rendezvous;

import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.util.List;
import org.yoloddp.error.YoloDdpException;

/** Texts that come from or go to the other side. */
final class Texts {

    private static final int LONGEST = 2000;

    private Texts() {}

    /** Takes what could confuse a terminal or a log out of a text of somebody else. */
    static String clean(String text) {
        String cut = text.length() > LONGEST ? text.substring(0, LONGEST) + "…" : text;
        return cut.replaceAll("\\p{Cntrl}", " ");
    }

    /** Writes an address as numbers, or the name of one that is not resolved yet. */
    static String address(SocketAddress address) {
        if (!(address instanceof InetSocketAddress inet)) {
            return String.valueOf(address);
        }
        String host =
                inet.isUnresolved() ? inet.getHostString() : inet.getAddress().getHostAddress();
        return (host.contains(":") ? "[" + host + "]" : host) + ":" + inet.getPort();
    }

    /** Writes a failure as part of a sentence. */
    static String sentence(Throwable failure) {
        String text =
                failure instanceof YoloDdpException ? failure.getMessage() : failure.toString();
        return text.endsWith(".") ? text.substring(0, text.length() - 1) : text;
    }

    /** Writes {@code rank 1}, {@code ranks 0, 2} or {@code ranks 0-2, 5}. */
    static String ranks(List<Integer> ranks) {
        return (ranks.size() == 1 ? "rank " : "ranks ") + numbers(ranks);
    }

    /** Writes {@code 0-2, 5}. */
    static String numbers(List<Integer> ranks) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < ranks.size(); ) {
            int end = i;
            while (end + 1 < ranks.size() && ranks.get(end + 1) == ranks.get(end) + 1) {
                end++;
            }
            text.append(i > 0 ? ", " : "").append(ranks.get(i));
            if (end > i) {
                text.append(end == i + 1 ? ", " : "-").append(ranks.get(end));
            }
            i = end + 1;
        }
        return text.toString();
    }
}
