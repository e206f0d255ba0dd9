package org.yoloddp.rendezvous;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.SocketChannel;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.cert.Certificate;
import java.security.cert.CertificateEncodingException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult;
import javax.net.ssl.SSLEngineResult.HandshakeStatus;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLPeerUnverifiedException;
import org.jspecify.annotations.Nullable;

/**
 * A wire that encrypts by TLS 1.3. Its handshake goes on whenever it is read or flushed; what is to
 * be written waits for the end of that. The engine's expensive work (signatures, checks of
 * certificates) is done by an executor; meanwhile nothing is read, and the channel is not waited
 * for. So it is when the other side wants an answer from TLS but does not read: no memory grows,
 * and the loop does not turn in vain.
 */
final class TlsWire implements Wire {

    private static final ByteBuffer NOTHING = ByteBuffer.allocate(0);

    /** Reads of the channel before it is another connection's turn, if no message comes of them. */
    private static final int MOST_READS = 8;

    private static final int HANDSHAKE_RECORD = 0x16;
    private static final int ALERT_RECORD = 0x15;

    private final SocketChannel channel;
    private final TlsContext context;
    private final SSLEngine engine;
    private final boolean isClient;
    private final Executor workers;
    private final Executor loop;

    /** Encrypted bytes; incoming in writing mode, outgoing in reading mode. */
    private final ByteBuffer incoming;

    private final ByteBuffer outgoing;

    /** Decrypted bytes that nobody has read yet, in reading mode. */
    private final ByteBuffer plain;

    private Runnable resume = () -> {};
    private int reads;
    private boolean begun;
    private boolean working;
    private boolean ready;
    private boolean failed;
    private boolean atEnd;
    private volatile boolean closed;

    /**
     * Prepares a wire.
     *
     * @param workers do what takes long
     * @param loop runs tasks on the thread that uses this wire
     */
    TlsWire(
            SocketChannel channel,
            TlsContext context,
            boolean isClient,
            Executor workers,
            Executor loop) {
        this.channel = channel;
        this.context = context;
        this.engine = context.engine(isClient);
        this.isClient = isClient;
        this.workers = workers;
        this.loop = loop;
        int packet = engine.getSession().getPacketBufferSize();
        incoming = ByteBuffer.allocate(packet);
        outgoing = ByteBuffer.allocate(packet).flip();
        plain = ByteBuffer.allocate(engine.getSession().getApplicationBufferSize()).flip();
    }

    @Override
    public SocketChannel channel() {
        return channel;
    }

    @Override
    public void start(Runnable whenResumed) throws IOException {
        resume = whenResumed;
        engine.beginHandshake();
    }

    @Override
    public int read(ByteBuffer target) throws IOException {
        if (failed) {
            return channel.read(target); // to be thrown away, so that the other side can read why
        }
        reads = 0;
        try {
            while (!plain.hasRemaining() && !atEnd && step()) {
                // until there is something to read, or it has to wait
            }
        } catch (SSLException e) {
            throw failure(e);
        }
        if (plain.hasRemaining()) {
            int count = Math.min(plain.remaining(), target.remaining());
            target.put(target.position(), plain, plain.position(), count);
            target.position(target.position() + count);
            plain.position(plain.position() + count);
            return count;
        }
        return atEnd ? -1 : 0;
    }

    /** Takes a step of the handshake, or decrypts a record; false if it has to wait. */
    private boolean step() throws IOException {
        if (working) {
            return false;
        }
        return switch (engine.getHandshakeStatus()) {
            case NEED_TASK -> delegate();
            case NEED_WRAP -> wrap(NOTHING);
            default -> unwrap();
        };
    }

    /** Has the engine's work done; the wire goes on when that is over. */
    private boolean delegate() throws IOException {
        List<Runnable> tasks = new ArrayList<>();
        for (Runnable task = engine.getDelegatedTask();
                task != null;
                task = engine.getDelegatedTask()) {
            tasks.add(task);
        }
        working = true;
        try {
            workers.execute(
                    () -> {
                        if (!closed) {
                            tasks.forEach(Runnable::run);
                        }
                        loop.execute(this::worked);
                    });
        } catch (RejectedExecutionException e) {
            throw new IOException("it was closed here", e);
        }
        return false;
    }

    private void worked() {
        working = false;
        resume.run();
    }

    /** Decrypts what has come; false if a whole record has not. */
    private boolean unwrap() throws IOException {
        HandshakeStatus before = engine.getHandshakeStatus();
        plain.compact();
        incoming.flip();
        SSLEngineResult result;
        try {
            result = engine.unwrap(incoming, plain);
        } finally {
            incoming.compact();
            plain.flip();
        }
        note(result);
        return switch (result.getStatus()) {
            case OK ->
                    result.bytesConsumed() > 0
                            || result.bytesProduced() > 0
                            || engine.getHandshakeStatus() != before;
            case BUFFER_UNDERFLOW -> receive();
            case BUFFER_OVERFLOW -> throw new SSLException("a record that is too long");
            case CLOSED -> {
                atEnd = true;
                yield false;
            }
        };
    }

    private boolean receive() throws IOException {
        if (!incoming.hasRemaining()) {
            throw new SSLException("a record that is too long");
        }
        if (++reads > MOST_READS) {
            return false;
        }
        int count = channel.read(incoming);
        if (count < 0 && ready) {
            failed = true;
            throw new IOException(
                    "it ended without TLS's close_notify: the other process died, or somebody cut"
                            + " the connection");
        }
        atEnd = count < 0;
        if (count > 0 && !begun) {
            begun = true;
            judge(incoming.get(0));
        }
        return count > 0;
    }

    /**
     * Looks at the first byte, before the engine does, for which all that is no TLS is the same.
     */
    private void judge(byte first) throws WireException {
        if (first == HANDSHAKE_RECORD || first == ALERT_RECORD) {
            return;
        }
        failed = true;
        if (first != 0) {
            throw WireException.noTls(first);
        }
        // The begin of the length of a short frame: our own handshake, in plain.
        throw isClient
                ? WireException.oneSided(true, WireException.Told.BOTH)
                : WireException.oneSided(false, WireException.Told.IN_PLAIN);
    }

    /** Encrypts; false if nothing came of it, or the bytes before are not gone yet. */
    private boolean wrap(ByteBuffer source) throws IOException {
        send();
        if (outgoing.hasRemaining()) {
            return false;
        }
        HandshakeStatus before = engine.getHandshakeStatus();
        outgoing.clear();
        SSLEngineResult result;
        try {
            result = engine.wrap(source, outgoing);
        } finally {
            outgoing.flip();
        }
        note(result);
        switch (result.getStatus()) {
            case BUFFER_OVERFLOW, BUFFER_UNDERFLOW ->
                    throw new SSLException("a record that is too long");
            case CLOSED -> {
                if (source.hasRemaining()) {
                    throw new IOException("the other side has closed it");
                }
            }
            case OK -> {}
        }
        send();
        return result.bytesProduced() > 0 || engine.getHandshakeStatus() != before;
    }

    private void send() throws IOException {
        if (outgoing.hasRemaining()) {
            channel.write(outgoing);
        }
    }

    private void note(SSLEngineResult result) {
        ready |= result.getHandshakeStatus() == HandshakeStatus.FINISHED;
    }

    /** Tells the other side by an alert, and this one in words. */
    private IOException failure(SSLException cause) {
        failed = true;
        try {
            while (engine.getHandshakeStatus() == HandshakeStatus.NEED_WRAP && wrap(NOTHING)) {
                // until the alert is on its way
            }
        } catch (IOException e) {
            cause.addSuppressed(e);
        }
        return WireException.of(cause, isClient, context);
    }

    @Override
    public void write(ByteBuffer source) throws IOException {
        try {
            while (ready && !failed && !working && source.hasRemaining()) {
                boolean goesOn =
                        engine.getHandshakeStatus() == HandshakeStatus.NEED_TASK
                                ? delegate()
                                : wrap(source);
                if (!goesOn) {
                    return;
                }
            }
        } catch (SSLException e) {
            throw failure(e);
        }
    }

    @Override
    public void flush() throws IOException {
        send();
        try {
            while (!ready
                    && !failed
                    && !working
                    && engine.getHandshakeStatus() == HandshakeStatus.NEED_WRAP
                    && wrap(NOTHING)) {
                // until the other side has to say something
            }
        } catch (SSLException e) {
            throw failure(e);
        }
    }

    @Override
    public boolean isHeld() {
        return outgoing.hasRemaining();
    }

    @Override
    public int operations(boolean hasMore) {
        if (failed) {
            return isHeld() ? SelectionKey.OP_READ | SelectionKey.OP_WRITE : SelectionKey.OP_READ;
        }
        if (working) {
            return 0;
        }
        if (isHeld() && engine.getHandshakeStatus() == HandshakeStatus.NEED_WRAP) {
            return SelectionKey.OP_WRITE; // reading has to wait for that
        }
        return isHeld() || ready && hasMore
                ? SelectionKey.OP_READ | SelectionKey.OP_WRITE
                : SelectionKey.OP_READ;
    }

    /** Returns hashes of the server's certificate, and of the client's if it was asked for one. */
    @Override
    public byte[] binding() throws IOException {
        @Nullable Certificate server = isClient ? ofPeer() : own();
        @Nullable Certificate client = isClient ? own() : ofPeer();
        if (!ready || server == null) {
            throw new SSLException("the server has no certificate");
        }
        return new MessageWriter().bytes(hash(server)).bytes(hash(client)).toBytes();
    }

    private @Nullable Certificate own() {
        Certificate[] chain = engine.getSession().getLocalCertificates();
        return chain == null || chain.length == 0 ? null : chain[0];
    }

    private @Nullable Certificate ofPeer() {
        try {
            return engine.getSession().getPeerCertificates()[0];
        } catch (SSLPeerUnverifiedException e) {
            return null;
        }
    }

    private static byte[] hash(@Nullable Certificate certificate) throws IOException {
        try {
            return certificate == null
                    ? new byte[0]
                    : MessageDigest.getInstance("SHA-256").digest(certificate.getEncoded());
        } catch (NoSuchAlgorithmException | CertificateEncodingException e) {
            throw new IOException("a certificate without a hash", e);
        }
    }

    @Override
    public void close() throws IOException {
        closed = true;
        try {
            if (!failed && !working) {
                engine.closeOutbound();
                while (!engine.isOutboundDone() && wrap(NOTHING)) {
                    // until close_notify is on its way, if there is room for it
                }
            }
        } catch (IOException e) {
            failed = true; // There is nobody to take leave of.
        } finally {
            channel.close();
        }
    }
}
