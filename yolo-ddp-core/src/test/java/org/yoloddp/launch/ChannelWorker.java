package org.yoloddp.launch;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.rendezvous.FailureChannel;
import org.yoloddp.rendezvous.Heartbeats;
import org.yoloddp.rendezvous.JobToken;
import org.yoloddp.rendezvous.StoreOptions;

/**
 * A worker with nothing but its failure channel: arguments are a folder and what each rank does in
 * the first start. After a restart all end well.
 */
public final class ChannelWorker {

    private static final Duration DEADLINE = Duration.ofSeconds(30);

    /** What a rank does. */
    enum Part {
        /** Never connects, and ends when asked to. */
        ABSENT,
        /** Is ended by a signal that somebody sends, before it connects, once others have. */
        ASKED,
        /** Ends, before it connects, once others have. */
        HALTS,
        /** Lives until it is asked to end, and then vanishes, whatever it was told. */
        OBEYS,
        /** Takes no notice of SIGTERM until it was told of a failure, and notes that. */
        RESISTS,
        /** Stops, once all have connected. */
        STOPS
    }

    private final Path folder;
    private final Map<String, String> environment = System.getenv();
    private final String rank = environment.get("RANK");
    private final int worldSize = Integer.parseInt(environment.get("WORLD_SIZE"));

    private ChannelWorker(Path folder) {
        this.folder = folder;
    }

    public static void main(String[] arguments) throws IOException {
        ChannelWorker worker = new ChannelWorker(Path.of(arguments[0]));
        if (worker.environment.get("TORCHELASTIC_RESTART_COUNT").equals("0")) {
            worker.play(Part.valueOf(arguments[1 + Integer.parseInt(worker.rank)]));
        }
    }

    private void play(Part part) throws IOException {
        switch (part) {
            case ABSENT -> LockSupport.parkNanos(DEADLINE.toNanos());
            case ASKED -> {
                awaitUp(worldSize - 1);
                signal("TERM");
            }
            case HALTS -> {
                awaitUp(worldSize - 1);
                Runtime.getRuntime().halt(7);
            }
            case OBEYS -> {
                connect();
                LockSupport.parkNanos(DEADLINE.toNanos());
            }
            case RESISTS -> {
                FailureChannel channel = connect();
                Thread told = new Thread(() -> noteFailure(channel));
                Runtime.getRuntime().addShutdownHook(told);
                LockSupport.parkNanos(DEADLINE.toNanos());
            }
            case STOPS -> {
                connect();
                awaitUp(worldSize);
                signal("STOP");
            }
        }
    }

    private FailureChannel connect() throws IOException {
        String[] parts = environment.get(Launcher.STORE_VARIABLE).split(":", -1);
        StoreOptions options =
                StoreOptions.defaults()
                        .withJob(environment.get("TORCHELASTIC_RUN_ID"))
                        .withGeneration(
                                Integer.parseInt(environment.get(Launcher.GENERATION_VARIABLE)))
                        .withRank(Integer.parseInt(rank))
                        .withHeartbeats(
                                Heartbeats.defaults()
                                        .withInterval(Duration.ofMillis(50))
                                        .withSilence(Duration.ofMillis(1500)));
        FailureChannel channel =
                FailureChannel.connect(
                        new InetSocketAddress(parts[0], Integer.parseInt(parts[1])),
                        JobToken.fromEnvironment(environment).orElseThrow(),
                        options,
                        DEADLINE);
        channel.progress("training", 4);
        Files.writeString(
                folder.resolve("up." + rank), Long.toString(ProcessHandle.current().pid()));
        return channel;
    }

    private void noteFailure(FailureChannel channel) {
        long end = System.nanoTime() + DEADLINE.toNanos();
        Optional<String> blamed = Optional.empty();
        while (blamed.isEmpty() && System.nanoTime() - end < 0) {
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(10));
            blamed =
                    channel.failure()
                            .map(
                                    failure ->
                                            failure instanceof RankFailedException named
                                                    ? named.rank() + " " + failure.getMessage()
                                                    : failure.toString());
        }
        try {
            Files.writeString(folder.resolve("told." + rank), blamed.orElse("nothing"));
        } catch (IOException e) {
            e.printStackTrace();
        }
    }

    private void awaitUp(int count) {
        LauncherTest.eventually(
                () -> {
                    int up = 0;
                    for (int other = 0; other < worldSize; other++) {
                        up += Files.exists(folder.resolve("up." + other)) ? 1 : 0;
                    }
                    return up >= count;
                });
    }

    private void signal(String name) {
        ProcessTools.of(environment.get("PATH")).send(name, ProcessHandle.current().pid());
        LockSupport.parkNanos(DEADLINE.toNanos());
    }
}
