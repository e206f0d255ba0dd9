package org.yoloddp.rendezvous;

import java.io.IOException;
import java.net.Socket;
import java.net.SocketAddress;
import java.net.SocketOption;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.channels.spi.SelectorProvider;
import java.util.Random;
import java.util.Set;
import java.util.function.IntUnaryOperator;

/**
 * One end of a connection in memory that passes as few bytes at once as it is told, and holds no
 * more than it may.
 */
final class MemoryChannel extends SocketChannel {

    /** Bytes on their way in one direction. */
    static final class Pipe {

        private final ByteBuffer bytes;
        private boolean ended;

        /** The place of a byte that is changed on its way, or -1. */
        private long spoilt = -1;

        private long passed;

        Pipe(int capacity) {
            bytes = ByteBuffer.allocate(capacity);
        }

        /** No more bytes come. */
        void end() {
            ended = true;
        }

        /** Changes the n-th byte from now. */
        void spoil(long n) {
            spoilt = passed + n;
        }

        long passed() {
            return passed;
        }
    }

    private final Pipe in;
    private final Pipe out;
    private final IntUnaryOperator share;

    private MemoryChannel(Pipe in, Pipe out, IntUnaryOperator share) {
        super(SelectorProvider.provider());
        this.in = in;
        this.out = out;
        this.share = share;
    }

    /** Passes all it can at once. */
    static MemoryChannel of(Pipe in, Pipe out) {
        return new MemoryChannel(in, out, most -> most);
    }

    /** Passes some bytes at once, now and then one or none. */
    static MemoryChannel of(Pipe in, Pipe out, Random random) {
        return new MemoryChannel(
                in,
                out,
                most ->
                        switch (random.nextInt(4)) {
                            case 0 -> 0;
                            case 1 -> Math.min(most, 1 + random.nextInt(3));
                            default -> random.nextInt(most + 1);
                        });
    }

    @Override
    public int read(ByteBuffer target) throws IOException {
        in.bytes.flip();
        try {
            if (!in.bytes.hasRemaining()) {
                return in.ended ? -1 : 0;
            }
            int count = share.applyAsInt(Math.min(target.remaining(), in.bytes.remaining()));
            for (int i = 0; i < count; i++) {
                byte next = in.bytes.get();
                target.put(in.passed++ == in.spoilt ? (byte) (next ^ 1) : next);
            }
            return count;
        } finally {
            in.bytes.compact();
        }
    }

    @Override
    public int write(ByteBuffer source) throws IOException {
        if (out.ended) {
            throw new IOException("Broken pipe");
        }
        int count = share.applyAsInt(Math.min(source.remaining(), out.bytes.remaining()));
        for (int i = 0; i < count; i++) {
            out.bytes.put(source.get());
        }
        return count;
    }

    @Override
    protected void implCloseSelectableChannel() {
        out.end();
    }

    @Override
    protected void implConfigureBlocking(boolean block) {
        // It never blocks.
    }

    @Override
    public boolean isConnected() {
        return true;
    }

    private static UnsupportedOperationException notNeeded() {
        return new UnsupportedOperationException("no socket");
    }

    @Override
    public SocketChannel bind(SocketAddress local) {
        throw notNeeded();
    }

    @Override
    public <T> SocketChannel setOption(SocketOption<T> name, T value) {
        throw notNeeded();
    }

    @Override
    public <T> T getOption(SocketOption<T> name) {
        throw notNeeded();
    }

    @Override
    public Set<SocketOption<?>> supportedOptions() {
        return Set.of();
    }

    @Override
    public SocketChannel shutdownInput() {
        throw notNeeded();
    }

    @Override
    public SocketChannel shutdownOutput() {
        throw notNeeded();
    }

    @Override
    public Socket socket() {
        throw notNeeded();
    }

    @Override
    public boolean isConnectionPending() {
        return false;
    }

    @Override
    public boolean connect(SocketAddress remote) {
        throw notNeeded();
    }

    @Override
    public boolean finishConnect() {
        return true;
    }

    @Override
    public SocketAddress getRemoteAddress() {
        throw notNeeded();
    }

    @Override
    public SocketAddress getLocalAddress() {
        throw notNeeded();
    }

    @Override
    public long read(ByteBuffer[] targets, int offset, int length) {
        throw notNeeded();
    }

    @Override
    public long write(ByteBuffer[] sources, int offset, int length) {
        throw notNeeded();
    }
}
