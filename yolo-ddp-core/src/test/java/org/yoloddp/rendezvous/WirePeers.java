package org.yoloddp.rendezvous;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.time.Clock;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** The server's side of one connection, whose end can be looked at, as a store's server has it. */
final class WirePeers implements AutoCloseable {

    private static final Duration LONG = Duration.ofSeconds(10);

    private final ServerSocketChannel listening = ServerSocketChannel.open();
    private final EventLoop loop = EventLoop.start("peers");
    private final Wires wires;
    private final JobToken token;
    private final Duration deadline;

    /** Empty if it was opened, else why not. */
    private final CompletableFuture<Optional<Exception>> outcome = new CompletableFuture<>();

    WirePeers(TlsOptions tls, Clock clock, JobToken token, Duration deadline) throws IOException {
        this.wires = Wires.server(tls, clock);
        this.token = token;
        this.deadline = deadline;
        listening.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
        Thread thread = new Thread(this::accept, "accept");
        thread.setDaemon(true);
        thread.start();
    }

    InetSocketAddress address() {
        return (InetSocketAddress) listening.socket().getLocalSocketAddress();
    }

    private void accept() {
        try {
            SocketChannel accepted = listening.accept();
            String peer = Texts.address(accepted.getRemoteAddress());
            Connection connection =
                    new Connection(
                            loop,
                            wires.on(accepted, loop),
                            HandshakeMachine.server(
                                    token,
                                    Hello.of("*", "default", -1, -1),
                                    hello -> Optional.empty(),
                                    peer),
                            1000,
                            4000,
                            new Listener());
            loop.execute(() -> connection.start(deadline));
        } catch (IOException e) {
            outcome.complete(Optional.of(e));
        }
    }

    private final class Listener implements Connection.Listener {

        @Override
        public void opened(Connection connection) {
            outcome.complete(Optional.empty());
        }

        @Override
        public void received(Connection connection, byte[] frame) {
            // Nothing is asked of it.
        }

        @Override
        public void closed(Connection connection, Exception why) {
            outcome.complete(Optional.of(why));
        }
    }

    /** What came of it at this side; null if it was opened. */
    @Nullable Exception failure() throws Exception {
        return outcome.get(LONG.toSeconds(), TimeUnit.SECONDS).orElse(null);
    }

    /** Connects as a store's client does, and returns what that failed of; null if it did not. */
    static @Nullable RuntimeException connect(
            InetSocketAddress address, JobToken token, TlsOptions tls) {
        StoreOptions options = StoreOptions.defaults().withTls(tls);
        try (ClientLink link =
                ClientLink.connect(
                        address,
                        token,
                        Hello.of(Protocol.STORE, "default", -1, -1),
                        options,
                        LONG)) {
            return link.server().rank() < -1 ? new IllegalStateException("no server") : null;
        } catch (RuntimeException e) {
            return e;
        }
    }

    @Override
    public void close() throws IOException {
        loop.close();
        wires.close();
        listening.close();
    }
}
