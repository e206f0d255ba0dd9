package org.yoloddp.testing;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;

/**
 * Somebody on the line between clients and a server, who keeps all bytes that pass. Whoever has a
 * certificate can end the clients' TLS and begin his own.
 */
public final class Tap implements AutoCloseable {

    private final ServerSocket listening;
    private final InetSocketAddress server;
    private final @Nullable SSLContext tls;
    private final ByteArrayOutputStream seen = new ByteArrayOutputStream();
    private volatile long heldUntil = System.nanoTime();

    private Tap(ServerSocket listening, InetSocketAddress server, @Nullable SSLContext tls) {
        this.listening = listening;
        this.server = server;
        this.tls = tls;
        daemon(this::accept);
    }

    /** Listens only. */
    public static Tap on(InetSocketAddress server) throws IOException {
        return new Tap(new ServerSocket(0, 50, InetAddress.getLoopbackAddress()), server, null);
    }

    /** Ends the clients' TLS with a certificate, and begins another one to the server. */
    public static Tap between(InetSocketAddress server, SSLContext own) throws IOException {
        return new Tap(
                own.getServerSocketFactory()
                        .createServerSocket(0, 50, InetAddress.getLoopbackAddress()),
                server,
                own);
    }

    public InetSocketAddress address() {
        return (InetSocketAddress) listening.getLocalSocketAddress();
    }

    /** All bytes so far, one character each. */
    public String seen() {
        synchronized (seen) {
            return seen.toString(StandardCharsets.ISO_8859_1);
        }
    }

    /** Lets nothing pass for a while; then comes all that was held back. */
    public void hold(Duration time) {
        heldUntil = System.nanoTime() + time.toNanos();
    }

    private static void daemon(Runnable body) {
        Thread thread = new Thread(body, "tap");
        thread.setDaemon(true);
        thread.start();
    }

    private void accept() {
        try {
            while (true) {
                Socket client = listening.accept();
                Socket there = tls == null ? new Socket() : tls.getSocketFactory().createSocket();
                there.connect(server, 5000);
                daemon(() -> pass(client, there));
                daemon(() -> pass(there, client));
            }
        } catch (IOException e) {
            close();
        }
    }

    private void pass(Socket from, Socket to) {
        try (from;
                to) {
            InputStream in = from.getInputStream();
            OutputStream out = to.getOutputStream();
            byte[] bytes = new byte[20_000];
            for (int count = in.read(bytes); count >= 0; count = in.read(bytes)) {
                synchronized (seen) {
                    seen.write(bytes, 0, count);
                }
                while (System.nanoTime() - heldUntil < 0) {
                    LockSupport.parkNanos(heldUntil - System.nanoTime());
                }
                out.write(bytes, 0, count);
                out.flush();
            }
        } catch (IOException e) {
            // One of them has gone, so the other has to.
        }
    }

    @Override
    public void close() {
        try {
            listening.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
