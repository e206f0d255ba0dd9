package org.yoloddp.rendezvous;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.Map;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.RankFailedException;

/** A rank without a training, as a program: steps on until it is told of a failure. */
public final class WatchedRank {

    private static final Duration LONG = Duration.ofSeconds(60);

    private WatchedRank() {}

    /** Takes the port of the store, the rank and the number of ranks; the token as every rank. */
    public static void main(String[] args) throws InterruptedException {
        int rank = Integer.parseInt(args[1]);
        int size = Integer.parseInt(args[2]);
        JobToken token = JobToken.fromEnvironment(System.getenv()).orElseThrow();
        InetSocketAddress address =
                new InetSocketAddress(InetAddress.getLoopbackAddress(), Integer.parseInt(args[0]));
        StoreOptions options = StoreOptions.defaults().withGeneration(0).withRank(rank);
        try (TcpStore store = TcpStore.connect(address, token, options, LONG)) {
            FailureChannel channel = store.failureChannel(LONG);
            Rendezvous.join(store, rank, size, Map.of(), LONG);
            CommunicationException failure = work(channel);
            System.out.println("at=" + System.currentTimeMillis());
            System.out.println("type=" + failure.getClass().getSimpleName());
            System.out.println("message=" + failure.getMessage());
            if (failure instanceof RankFailedException e) {
                System.out.println("rank=" + e.rank());
                System.out.println("pid=" + e.pid());
            }
        }
    }

    private static CommunicationException work(FailureChannel channel) throws InterruptedException {
        Object lock = new Object();
        long end = System.nanoTime() + LONG.toNanos();
        channel.onFailure(
                failure -> {
                    synchronized (lock) {
                        lock.notifyAll();
                    }
                });
        synchronized (lock) {
            for (long step = 0; channel.failure().isEmpty(); step++) {
                channel.progress("training", step);
                if (System.nanoTime() > end) {
                    throw new IllegalStateException("nobody failed");
                }
                // By then the heartbeats of the first steps have been sent.
                if (step == 5) {
                    System.out.println("ready");
                }
                lock.wait(50);
            }
        }
        return channel.failure().orElseThrow();
    }
}
