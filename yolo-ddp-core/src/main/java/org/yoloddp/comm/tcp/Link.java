package org.yoloddp.comm.tcp;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;

/** A connection to a rank of another host; never blocks. */
final class Link implements AutoCloseable {

    /** The other end broke, by number in the world. */
    static final class BrokenException extends RuntimeException {

        private static final long serialVersionUID = 1L;

        final transient int peer;

        /** Whether the connection was open still, but its other end did not answer any more. */
        final boolean silent;

        BrokenException(int peer, String message) {
            this(peer, message, false);
        }

        BrokenException(int peer, IOException cause) {
            this(peer, cause.toString(), String.valueOf(cause.getMessage()).endsWith("timed out"));
        }

        private BrokenException(int peer, String message, boolean silent) {
            super(message);
            this.peer = peer;
            this.silent = silent;
        }
    }

    final int peer;
    private final SocketChannel channel;

    Link(int peer, SocketChannel channel) {
        this.peer = peer;
        this.channel = channel;
    }

    /** Reads what is there; tells whether that was something. */
    boolean read(ByteBuffer to) {
        if (!to.hasRemaining()) {
            return false;
        }
        try {
            int count = channel.read(to);
            if (count < 0) {
                throw new BrokenException(peer, "the connection was closed");
            }
            return count > 0;
        } catch (IOException e) {
            throw new BrokenException(peer, e);
        }
    }

    /** Writes what there is room for; tells whether that was something. */
    boolean write(ByteBuffer from) {
        if (!from.hasRemaining()) {
            return false;
        }
        try {
            return channel.write(from) > 0;
        } catch (IOException e) {
            throw new BrokenException(peer, e);
        }
    }

    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            // It is of no use any more, closed or not.
        }
    }
}
