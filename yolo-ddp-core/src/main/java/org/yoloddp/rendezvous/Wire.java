package org.yoloddp.rendezvous;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;

/** A non-blocking stream of bytes, plain or encrypted; used by the thread of one event loop. */
interface Wire {

    /** Returns the channel below. */
    SocketChannel channel();

    /**
     * Reads what is there.
     *
     * @return the number of bytes, 0 if there are none now, -1 at the end
     */
    int read(ByteBuffer target) throws IOException;

    /** Writes what fits now; what is left in the source has not been taken. */
    void write(ByteBuffer source) throws IOException;

    /** Tells whether bytes that were taken wait for room in the channel. */
    boolean isHeld();

    /** A wire that encrypts nothing. */
    record Plain(SocketChannel channel) implements Wire {

        @Override
        public int read(ByteBuffer target) throws IOException {
            return channel.read(target);
        }

        @Override
        public void write(ByteBuffer source) throws IOException {
            channel.write(source);
        }

        @Override
        public boolean isHeld() {
            return false;
        }
    }
}
