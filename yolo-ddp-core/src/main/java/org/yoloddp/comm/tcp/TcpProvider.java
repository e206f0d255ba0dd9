package org.yoloddp.comm.tcp;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.comm.Availability;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.CommunicatorProvider;
import org.yoloddp.comm.GroupContext;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.comm.Store;
import org.yoloddp.error.ConfigurationException;

/**
 * Makes {@link TcpCommunicator}s, for ranks that are processes, or threads that share nothing but a
 * {@link Store}.
 */
public final class TcpProvider implements CommunicatorProvider {

    private static final Logger LOG = LoggerFactory.getLogger(TcpProvider.class);

    /** Stands before the reason why there is no shared memory. */
    private static final String NONE = "!";

    private final TcpOptions options;

    /** Creates the provider with {@link TcpOptions#defaults()}. */
    public TcpProvider() {
        this(TcpOptions.defaults());
    }

    /**
     * Creates the provider.
     *
     * @param options how ranks share memory
     */
    public TcpProvider(TcpOptions options) {
        this.options = options;
    }

    @Override
    public String name() {
        return TcpCommunicator.NAME;
    }

    @Override
    public Availability probe(MemoryDevice device) {
        return device.equals(MemoryDevice.HOST)
                ? Availability.yes("ranks are processes that share " + options.sharedMemory())
                : Availability.no("works on the memory of the host, not of " + device);
    }

    @Override
    public Communicator connect(GroupContext context) {
        return new Meeting(context).join();
    }

    /** Finds the ranks of this host, and proves it. */
    private final class Meeting {

        private final GroupContext context;
        private final Store store;
        private final int rank;
        private final long end;
        private final long nonce = new SecureRandom().nextLong();
        private final SharedMemory shared =
                new SharedMemory(options.sharedMemory(), options.limit());
        private final List<Facts> facts = new ArrayList<>();

        Meeting(GroupContext context) {
            this.context = context;
            this.store = context.store();
            this.rank = context.rank();
            this.end = System.nanoTime() + context.deadline().toNanos();
        }

        private Duration left() {
            return Duration.ofNanos(Math.max(1_000_000, end - System.nanoTime()));
        }

        private void say(String key, int who, byte[] value) {
            store.set("tcp/" + key + "/" + who, value, left());
        }

        private byte[] hear(String key, int who) {
            return store.get("tcp/" + key + "/" + who, left());
        }

        Communicator join() {
            shared.removeStale();
            say("facts", rank, Facts.mine(context, nonce).bytes());
            store.await(
                    IntStream.range(0, context.size()).mapToObj(r -> "tcp/facts/" + r).toList(),
                    left());
            for (int r = 0; r < context.size(); r++) {
                facts.add(Facts.of(hear("facts", r)));
            }
            if (context.size() == 1) {
                ByteBuffer control = ByteBuffer.allocateDirect(Session.controlBytes(1) + 64);
                return communicator(control.alignedSlice(64));
            }
            int first =
                    IntStream.range(0, context.size())
                            .filter(this::mayShare)
                            .findFirst()
                            .orElse(rank);
            ByteBuffer control = rank == first ? create() : open(first);
            Set<Integer> others = new TreeSet<>();
            for (int r = 0; r < context.size(); r++) {
                if (!mayShare(r) || hear("joined", r)[0] == 0) {
                    others.add(r);
                }
            }
            if (rank == first) {
                shared.delete(controlName(first));
            }
            if (control == null || !others.isEmpty()) {
                throw severalHosts(others);
            }
            for (int r = 0; r < context.size(); r++) {
                if (area(control, r).nonce() != facts.get(r).nonce()) {
                    others.add(r);
                }
            }
            if (!others.isEmpty()) {
                throw severalHosts(others);
            }
            return communicator(control);
        }

        private boolean mayShare(int other) {
            return facts.get(rank).mayShare(facts.get(other));
        }

        private ConfigurationException severalHosts(Set<Integer> others) {
            return new ConfigurationException(
                    "The communicator 'tcp' connects ranks that share memory, but rank "
                            + rank
                            + " on host '"
                            + context.hostId()
                            + "' shares none with ranks "
                            + others
                            + ". Run all ranks on one host with room in "
                            + options.sharedMemory()
                            + ", and with one YOLODDP_HOST_ID.");
        }

        private RankArea area(ByteBuffer control, int r) {
            return new RankArea(new Words(control).part(r * RankArea.BYTES, RankArea.BYTES));
        }

        private String controlName(int first) {
            return facts.get(first).files(first) + "-control";
        }

        private @Nullable ByteBuffer create() {
            ByteBuffer control = null;
            String answer = controlName(rank);
            try {
                control = shared.create(answer, Session.controlBytes(context.size()));
                area(control, rank).setNonce(nonce);
            } catch (IOException e) {
                LOG.warn(
                        "No shared memory in {} ({}): {}",
                        shared.folder(),
                        shared.space(),
                        e.toString());
                answer = NONE + e;
            }
            say("control", rank, answer.getBytes(StandardCharsets.UTF_8));
            say("joined", rank, new byte[] {(byte) (control == null ? 0 : 1)});
            return control;
        }

        private @Nullable ByteBuffer open(int first) {
            String name = new String(hear("control", first), StandardCharsets.UTF_8);
            ByteBuffer control = null;
            if (!name.startsWith(NONE) && name.equals(controlName(first))) {
                try {
                    ByteBuffer opened = shared.open(name, Session.controlBytes(context.size()));
                    opened.order(ByteOrder.nativeOrder());
                    if (area(opened, first).nonce() == facts.get(first).nonce()) {
                        area(opened, rank).setNonce(nonce);
                        control = opened;
                    }
                } catch (IOException e) {
                    LOG.warn(
                            "Rank {} cannot share memory with rank {}: {}",
                            rank,
                            first,
                            e.toString());
                }
            }
            say("joined", rank, new byte[] {(byte) (control == null ? 0 : 1)});
            return control;
        }

        private Communicator communicator(ByteBuffer control) {
            Session session = Session.start(rank, context.deadline(), facts, shared, control);
            return new TcpCommunicator(session, session.root());
        }
    }
}
