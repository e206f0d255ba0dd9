package org.yoloddp.launch;

import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * A client of PyTorch's TCPStore (2.7, c10d), as torchrun's agent serves it: its wire protocol, of
 * which it takes set, check and get. All integers are little-endian; lengths have eight bytes; keys
 * begin with a slash. One thread.
 */
final class TorchStoreClient implements AutoCloseable {

    private static final int MAGIC = 0x3C85F7CE;

    private static final int HELLO = 0x00;
    private static final int SET = 0x01;
    private static final int GET = 0x03;
    private static final int CHECK = 0x05;
    private static final int PING = 0x0d;

    private static final int READY = 0;
    private static final int NOT_READY = 1;

    private static final int GREETING_MILLIS = 10_000;
    private static final int CALL_MILLIS = 30_000;
    private static final long POLL_NANOS = TimeUnit.MILLISECONDS.toNanos(50);
    private static final int LONGEST_VALUE = 1 << 20;

    private final String address;
    private final Socket socket;
    private final OutputStream out;
    private final DataInputStream in;

    private TorchStoreClient(String address, Socket socket) throws IOException {
        this.address = address;
        this.socket = socket;
        this.out = new BufferedOutputStream(socket.getOutputStream());
        this.in = new DataInputStream(socket.getInputStream());
    }

    /** Connects, and makes sure that a TCPStore of that version answers. */
    static TorchStoreClient connect(String host, int port, Duration deadline) {
        String address = host + ":" + port;
        Socket socket = new Socket();
        try {
            int millis = (int) Math.min(Integer.MAX_VALUE, Math.max(1, deadline.toMillis()));
            socket.connect(new InetSocketAddress(host, port), millis);
            socket.setTcpNoDelay(true);
            socket.setSoTimeout(Math.min(GREETING_MILLIS, millis));
            TorchStoreClient client = new TorchStoreClient(address, socket);
            client.greet();
            socket.setSoTimeout(CALL_MILLIS);
            return client;
        } catch (IOException e) {
            closeQuietly(socket, e);
            throw TorchStoreException.unreachable(address, e);
        } catch (RuntimeException e) {
            closeQuietly(socket, e);
            throw e;
        }
    }

    /** A store of another version closes the connection for its magic number, or answers else. */
    private void greet() {
        int nonce = new SecureRandom().nextInt();
        try {
            out.write(HELLO);
            int32(MAGIC);
            out.write(PING);
            int32(nonce);
            out.flush();
            int answer = Integer.reverseBytes(in.readInt());
            if (answer != nonce) {
                throw TorchStoreException.otherProtocol(
                        address, "it answers a ping with " + Integer.toHexString(answer), null);
            }
        } catch (SocketTimeoutException e) {
            throw TorchStoreException.otherProtocol(address, "it does not answer a ping", e);
        } catch (IOException e) {
            throw TorchStoreException.otherProtocol(address, "it hangs up at the greeting", e);
        }
    }

    /** The address of this host that leads to the store. */
    InetAddress localAddress() {
        return socket.getLocalAddress();
    }

    void set(String key, String value) {
        try {
            out.write(SET);
            text(key);
            text(value);
            out.flush();
        } catch (IOException e) {
            throw TorchStoreException.lost(address, e);
        }
    }

    /** The value of a key; empty if it isn't there. */
    Optional<String> find(String key) {
        try {
            out.write(CHECK);
            int64(1);
            text(key);
            out.flush();
            int answer = in.readUnsignedByte();
            if (answer == NOT_READY) {
                return Optional.empty();
            }
            if (answer != READY) {
                throw TorchStoreException.otherProtocol(
                        address, "it answers a check with " + answer, null);
            }
            out.write(GET);
            text(key);
            out.flush();
            long length = Long.reverseBytes(in.readLong());
            if (length < 0 || length > LONGEST_VALUE) {
                throw TorchStoreException.otherProtocol(
                        address, "it answers with " + length + " bytes", null);
            }
            byte[] value = in.readNBytes((int) length);
            if (value.length < length) {
                throw new EOFException("the value ends after " + value.length + " bytes");
            }
            return Optional.of(new String(value, StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw TorchStoreException.lost(address, e);
        }
    }

    /** The value of a key once it is there and isn't that; empty if that takes too long. */
    Optional<String> awaitOtherThan(String unwanted, String key, long endNanos) {
        while (true) {
            Optional<String> value = find(key).filter(text -> !text.equals(unwanted));
            if (value.isPresent() || System.nanoTime() - endNanos >= 0) {
                return value;
            }
            LockSupport.parkNanos(POLL_NANOS);
        }
    }

    private void text(String text) throws IOException {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        int64(bytes.length);
        out.write(bytes);
    }

    private void int32(int value) throws IOException {
        out.write(ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(value).array());
    }

    private void int64(long value) throws IOException {
        out.write(ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array());
    }

    @Override
    public void close() {
        try {
            socket.close();
        } catch (IOException e) {
            throw TorchStoreException.lost(address, e);
        }
    }

    private static void closeQuietly(Socket socket, Exception failure) {
        try {
            socket.close();
        } catch (IOException e) {
            failure.addSuppressed(e);
        }
    }
}
