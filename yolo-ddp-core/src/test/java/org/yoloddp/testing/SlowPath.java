package org.yoloddp.testing;

import com.sun.jna.Library;
import com.sun.jna.Native;
import com.sun.jna.NativeLong;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A line between two TUN devices that delivers each packet some time after it was sent, in order,
 * as netem does in kernels that have it. The devices vanish when it is closed.
 */
final class SlowPath implements AutoCloseable {

    private static final int O_RDWR = 2;
    private static final NativeLong TUNSETIFF = new NativeLong(0x400454ca);
    private static final short IFF_TUN_NO_PI = 0x1001;
    private static final int MOST = 65536;

    /** The functions of the C library that read and write packets. */
    interface C extends Library {
        int open(String path, int flags);

        int close(int file);

        int ioctl(int file, NativeLong request, byte[] argument);

        NativeLong read(int file, byte[] target, NativeLong count);

        NativeLong write(int file, byte[] source, NativeLong count);
    }

    private final C c = Native.load("c", C.class);
    private final ScheduledExecutorService late =
            Executors.newSingleThreadScheduledExecutor(task -> daemon(task, "slow-path"));
    private final AtomicLong packets = new AtomicLong();
    private final int[] files;
    private volatile boolean closed;

    /** Makes both devices in this network namespace, from where they can be moved. */
    SlowPath(String first, String second, Duration delay) throws IOException {
        files = new int[] {open(first), open(second)};
        for (int i = 0; i < 2; i++) {
            int from = files[i];
            int to = files[1 - i];
            daemon(() -> forward(from, to, delay.toNanos()), "slow-path-" + i).start();
        }
    }

    private static Thread daemon(Runnable task, String name) {
        Thread thread = new Thread(task, name);
        thread.setDaemon(true);
        return thread;
    }

    private int open(String device) throws IOException {
        int file = c.open("/dev/net/tun", O_RDWR);
        byte[] request = new byte[40];
        byte[] name = device.getBytes(StandardCharsets.US_ASCII);
        System.arraycopy(name, 0, request, 0, name.length);
        ByteBuffer.wrap(request).order(ByteOrder.nativeOrder()).putShort(16, IFF_TUN_NO_PI);
        if (file < 0 || c.ioctl(file, TUNSETIFF, request) < 0) {
            throw new IOException("no TUN device: error " + Native.getLastError());
        }
        return file;
    }

    /** A device that is not up gives errors; one that is gone does for ever. */
    private void forward(int from, int to, long delayNanos) {
        byte[] packet = new byte[MOST];
        while (!closed) {
            int count = c.read(from, packet, new NativeLong(MOST)).intValue();
            if (count <= 0) {
                return;
            }
            byte[] copy = Arrays.copyOf(packet, count);
            late.schedule(
                    () -> {
                        packets.incrementAndGet();
                        c.write(to, copy, new NativeLong(copy.length));
                    },
                    delayNanos,
                    TimeUnit.NANOSECONDS);
        }
    }

    /** How many packets were delivered. */
    long packets() {
        return packets.get();
    }

    @Override
    public void close() {
        closed = true;
        late.shutdownNow();
        c.close(files[0]);
        c.close(files[1]);
    }
}
