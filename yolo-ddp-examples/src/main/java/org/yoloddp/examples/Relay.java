package org.yoloddp.examples;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * Passes a rank's connections on to the job's store, until they are to break: then it closes them,
 * or keeps them open and passes nothing on, as when a cable is pulled.
 */
final class Relay implements AutoCloseable {

    private final ServerSocket server;
    private final InetSocketAddress store;
    private final List<Socket> sockets = new CopyOnWriteArrayList<>();
    private volatile boolean mute;

    Relay(InetSocketAddress store) throws IOException {
        this.store = store;
        this.server = new ServerSocket(0, 16, InetAddress.getLoopbackAddress());
        daemon("relay", this::accept);
    }

    InetSocketAddress address() {
        return (InetSocketAddress) server.getLocalSocketAddress();
    }

    /** Closes all connections. */
    void cut() {
        close();
    }

    /** Passes nothing on from now on. */
    void mute() {
        mute = true;
    }

    private void accept() {
        try {
            while (true) {
                Socket here = server.accept();
                sockets.add(here);
                Socket there = new Socket(store.getAddress(), store.getPort());
                sockets.add(there);
                here.setTcpNoDelay(true);
                there.setTcpNoDelay(true);
                daemon("relay out", () -> pass(here, there));
                daemon("relay in", () -> pass(there, here));
            }
        } catch (IOException e) {
            close();
        }
    }

    private void pass(Socket from, Socket to) {
        byte[] buffer = new byte[8192];
        try {
            InputStream in = from.getInputStream();
            OutputStream out = to.getOutputStream();
            for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
                if (!mute) {
                    out.write(buffer, 0, count);
                }
            }
        } catch (IOException e) {
            // as good as its end
        }
        if (!mute) {
            close(from);
            close(to);
        }
    }

    private static void daemon(String name, Runnable action) {
        Thread thread = new Thread(action, name);
        thread.setDaemon(true);
        thread.start();
    }

    private static void close(AutoCloseable socket) {
        try {
            socket.close();
        } catch (Exception e) {
            // It is closed either way.
        }
    }

    @Override
    public void close() {
        close(server);
        sockets.forEach(Relay::close);
    }
}
