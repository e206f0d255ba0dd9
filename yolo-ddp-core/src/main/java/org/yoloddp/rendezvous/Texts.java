package org.yoloddp.rendezvous;

import java.net.InetSocketAddress;
import java.net.SocketAddress;
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
}
