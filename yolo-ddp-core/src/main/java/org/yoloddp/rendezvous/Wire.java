package org.yoloddp.rendezvous;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.SocketChannel;

/** A non-blocking stream of bytes, plain or encrypted; used by the thread of one event loop. */
interface Wire {

    /** Returns the channel below. */
    SocketChannel channel();

    /**
     * Begins, once and first of all.
     *
     * @param resume run by the loop's thread when the wire can go on although nothing has happened
     *     to the channel
     */
    void start(Runnable resume) throws IOException;

    /**
     * Reads what is there.
     *
     * @return the number of bytes, 0 if there are none now, -1 at the end
     */
    int read(ByteBuffer target) throws IOException;

    /** Takes what fits now; what is left in the source has not been taken. */
    void write(ByteBuffer source) throws IOException;

    /** Sends what was taken before, as much as fits now. */
    void flush() throws IOException;

    /** Tells whether bytes that were taken wait for room in the channel. */
    boolean isHeld();

    /**
     * Returns what has to happen to the channel before the wire can go on.
     *
     * @param hasMore whether there is something to be written
     * @return operations of a {@link SelectionKey}
     */
    int operations(boolean hasMore);

    /**
     * Returns what only the two ends of this wire have in common, once something was read.
     *
     * @return empty for a plain wire, of which others may be the end
     */
    byte[] binding() throws IOException;

    /** Takes leave of the other side, and closes the channel. */
    void close() throws IOException;

    /** A wire that encrypts nothing. */
    record Plain(SocketChannel channel) implements Wire {

        @Override
        public void start(Runnable resume) {
            // It never waits for anything but the channel.
        }

        @Override
        public int read(ByteBuffer target) throws IOException {
            return channel.read(target);
        }

        @Override
        public void write(ByteBuffer source) throws IOException {
            channel.write(source);
        }

        @Override
        public void flush() {
            // What was taken is gone.
        }

        @Override
        public boolean isHeld() {
            return false;
        }

        @Override
        public int operations(boolean hasMore) {
            return hasMore ? SelectionKey.OP_READ | SelectionKey.OP_WRITE : SelectionKey.OP_READ;
        }

        @Override
        public byte[] binding() {
            return new byte[0];
        }

        @Override
        public void close() throws IOException {
            channel.close();
        }
    }
}
