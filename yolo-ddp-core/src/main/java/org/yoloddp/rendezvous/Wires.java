package org.yoloddp.rendezvous;

import java.nio.channels.SocketChannel;
import java.time.Clock;
import java.util.concurrent.Executor;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Makes the wires of a server or a client, as its options say. A server has a thread for the
 * arithmetic of handshakes, so that strangers who begin many hold up nobody; it ends when it has
 * nothing to do.
 */
final class Wires implements AutoCloseable {

    private final @Nullable Supplier<TlsContext> tls;
    private final boolean isClient;
    private final Executor workers;

    private Wires(@Nullable Supplier<TlsContext> tls, boolean isClient, Executor workers) {
        this.tls = tls;
        this.isClient = isClient;
        this.workers = workers;
    }

    /** Reads the files that a client needs, if any. */
    static Wires client(TlsOptions options) {
        if (!options.isOn()) {
            return new Wires(null, true, Runnable::run);
        }
        TlsContext context = TlsContext.of(options, Clock.systemUTC());
        return new Wires(() -> context, true, Runnable::run);
    }

    /** Reads the files that a server needs, if any, and again when they have changed. */
    static Wires server(TlsOptions options, Clock clock) {
        if (!options.isOn()) {
            return new Wires(null, false, Runnable::run);
        }
        RenewedTls renewed = new RenewedTls(options, clock);
        ThreadPoolExecutor worker =
                new ThreadPoolExecutor(
                        1,
                        1,
                        10,
                        TimeUnit.SECONDS,
                        new LinkedBlockingQueue<>(),
                        task -> {
                            Thread thread = new Thread(task, "yolo-ddp-store-tls");
                            thread.setDaemon(true);
                            return thread;
                        });
        worker.allowCoreThreadTimeOut(true);
        return new Wires(renewed::current, false, worker);
    }

    Wire on(SocketChannel channel, EventLoop loop) {
        return tls == null
                ? new Wire.Plain(channel)
                : new TlsWire(channel, tls.get(), isClient, workers, loop::execute);
    }

    @Override
    public void close() {
        if (workers instanceof ThreadPoolExecutor worker) {
            worker.shutdownNow();
        }
    }
}
