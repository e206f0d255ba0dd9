package org.yoloddp.comm.tcp;

import java.nio.ByteBuffer;
import java.util.Optional;

/** What precedes data on a connection: a sign, and with a call its fingerprint. */
final class Header {

    static final byte CALL = 0x10;
    static final byte ACCEPTED = 1;
    static final byte REFUSED = 2;

    private Header() {}

    static ByteBuffer of(byte[] call) {
        return ByteBuffer.allocateDirect(5 + call.length)
                .put(CALL)
                .putInt(call.length)
                .put(call)
                .flip();
    }

    static ByteBuffer sign(byte sign) {
        return ByteBuffer.allocateDirect(1).put(sign).flip();
    }

    /** Reads a sign and a call, as they come. */
    static final class Reader {

        private final ByteBuffer head = ByteBuffer.allocateDirect(5).limit(1);
        private ByteBuffer body = ByteBuffer.allocate(0);
        private boolean whole;

        /** Reads on; tells whether something came. */
        boolean read(Link link) {
            boolean helped = false;
            while (!whole) {
                if (head.hasRemaining()) {
                    if (!link.read(head)) {
                        return helped;
                    }
                    helped = true;
                    if (head.position() == 1) {
                        whole = head.get(0) != CALL;
                        head.limit(whole ? 1 : 5);
                    }
                    if (head.position() == 5) {
                        int length = head.getInt(1);
                        if (length < 0 || length > Codec.MAX_CALL) {
                            throw new Link.BrokenException(
                                    link.peer, "a call of " + length + " bytes");
                        }
                        body = ByteBuffer.allocate(length);
                    }
                } else {
                    if (!link.read(body)) {
                        return helped;
                    }
                    helped = true;
                    whole = !body.hasRemaining();
                }
            }
            return helped;
        }

        boolean isWhole() {
            return whole;
        }

        byte sign() {
            return head.get(0);
        }

        /** Returns the call, if it is one. */
        Optional<byte[]> call() {
            return whole && head.get(0) == CALL ? Optional.of(body.array()) : Optional.empty();
        }
    }
}
