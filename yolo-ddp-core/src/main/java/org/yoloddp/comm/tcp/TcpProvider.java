package org.yoloddp.comm.tcp;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
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
import org.yoloddp.rendezvous.FailureChannel;
import org.yoloddp.rendezvous.Heartbeats;
import org.yoloddp.rendezvous.JobToken;
import org.yoloddp.rendezvous.TcpStore;

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
                ? Availability.yes(
                        "ranks are processes, which share memory in " + options.sharedMemory())
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
        private @Nullable String created;

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
            try {
                return meet();
            } finally {
                deleteControl();
            }
        }

        /** The file's name is needed only until all have mapped it, or somebody has given up. */
        private void deleteControl() {
            if (created != null) {
                shared.delete(created);
                created = null;
            }
        }

        private Communicator meet() {
            shared.removeStale();
            say("facts", rank, Facts.mine(context, nonce).bytes());
            store.await(
                    IntStream.range(0, context.size()).mapToObj(r -> "tcp/facts/" + r).toList(),
                    left());
            for (int r = 0; r < context.size(); r++) {
                facts.add(Facts.of(hear("facts", r)));
            }
            int[] candidates = IntStream.range(0, context.size()).filter(this::mayShare).toArray();
            int first = candidates[0];
            ByteBuffer control = null;
            if (candidates.length == 1) {
                say("joined", rank, new byte[] {0});
            } else {
                control = rank == first ? create(candidates) : open(candidates);
            }
            int[] hosts = hosts();
            deleteControl();
            Session.World world = new Session.World(facts, hosts);
            int[] here = world.sharing(rank);
            if (control == null || here.length < candidates.length) {
                control = ByteBuffer.allocateDirect(Session.controlBytes(1) + 64).alignedSlice(64);
            }
            Links links = here.length == context.size() ? null : listen();
            Session session =
                    Session.start(
                            rank,
                            context.deadline(),
                            world,
                            shared,
                            control,
                            links,
                            store,
                            channel());
            TcpCommunicator communicator = new TcpCommunicator(session, session.root());
            try {
                session.root().connect(left());
            } catch (RuntimeException e) {
                communicator.close();
                throw e;
            }
            if (rank == 0) {
                LOG.info(
                        "{} ranks: {}; those within brackets share memory, others use sockets",
                        context.size(),
                        describe(world));
            }
            return communicator;
        }

        /**
         * Numbers the hosts. Ranks that have all proved that they share memory have the number of
         * their first; otherwise each has a number of its own.
         */
        private int[] hosts() {
            int[] hosts = new int[context.size()];
            for (int r = 0; r < hosts.length; r++) {
                Facts mine = facts.get(r);
                int[] candidates =
                        IntStream.range(0, hosts.length)
                                .filter(other -> mine.mayShare(facts.get(other)))
                                .toArray();
                boolean all = IntStream.of(candidates).allMatch(c -> hear("joined", c)[0] == 1);
                hosts[r] = all ? candidates[0] : hosts.length + r;
            }
            return hosts;
        }

        /** Groups the ranks by the memory they share. */
        private String describe(Session.World world) {
            return IntStream.range(0, world.size())
                    .mapToObj(r -> Arrays.toString(world.sharing(r)))
                    .distinct()
                    .collect(Collectors.joining(" "));
        }

        /** Connects to where failures are decided, if the store is served there. */
        private @Nullable FailureChannel channel() {
            return store instanceof TcpStore tcp && tcp.options().rank() == rank
                    ? tcp.failureChannel(left())
                    : null;
        }

        /** Listens for ranks of other hosts, and learns where they listen. */
        private Links listen() {
            TcpStore tcp = store instanceof TcpStore known ? known : null;
            Links links = null;
            try {
                links =
                        new Links(
                                rank,
                                tcp == null ? JobToken.none() : tcp.token(),
                                tcp == null ? "local" : tcp.options().job(),
                                tcp == null ? 0 : tcp.options().generation(),
                                options.address()
                                        .orElse(
                                                tcp == null
                                                        ? InetAddress.getLoopbackAddress()
                                                        : tcp.localAddress()),
                                context.deadline(),
                                (tcp == null ? Heartbeats.defaults() : tcp.options().heartbeats())
                                        .silence());
                InetSocketAddress mine = links.address();
                String text = mine.getAddress().getHostAddress() + " " + mine.getPort();
                say("listen", rank, text.getBytes(StandardCharsets.UTF_8));
                List<@Nullable InetSocketAddress> addresses = new ArrayList<>();
                for (int r = 0; r < context.size(); r++) {
                    addresses.add(r == rank ? null : address(r));
                }
                links.setPeers(addresses);
                return links;
            } catch (IOException e) {
                close(links);
                throw TcpConnectException.cannotListen(rank, e);
            } catch (RuntimeException e) {
                close(links);
                throw e;
            }
        }

        private static void close(@Nullable Links links) {
            if (links != null) {
                links.close();
            }
        }

        private InetSocketAddress address(int r) throws IOException {
            String[] parts = new String(hear("listen", r), StandardCharsets.UTF_8).split(" ", -1);
            return new InetSocketAddress(
                    InetAddress.getByName(parts[0]), Integer.parseInt(parts[1]));
        }

        private boolean mayShare(int other) {
            return facts.get(rank).mayShare(facts.get(other));
        }

        private String controlName(int first) {
            return facts.get(first).files(first) + "-control";
        }

        private @Nullable ByteBuffer create(int[] candidates) {
            ByteBuffer control = null;
            String answer = controlName(rank);
            int bytes = Session.sharedBytes(candidates.length);
            try {
                control = shared.create(answer, bytes);
                created = answer;
                Session.area(new Words(control), 0).setNonce(nonce);
            } catch (IOException e) {
                LOG.warn(
                        "Ranks {} get no {} bytes of shared memory in {} ({}): {}. They exchange"
                                + " over sockets, which is slower. Make it larger, for a container"
                                + " by --shm-size.",
                        candidates,
                        bytes,
                        shared.folder(),
                        shared.space(),
                        e.getMessage());
                answer = NONE;
            }
            say("control", rank, answer.getBytes(StandardCharsets.UTF_8));
            return proven(candidates, control);
        }

        private @Nullable ByteBuffer open(int[] candidates) {
            int first = candidates[0];
            String name = new String(hear("control", first), StandardCharsets.UTF_8);
            ByteBuffer control = null;
            if (name.equals(controlName(first))) {
                try {
                    control = shared.open(name, Session.sharedBytes(candidates.length));
                    int seat = Arrays.binarySearch(candidates, rank);
                    Session.area(new Words(control), seat).setNonce(nonce);
                } catch (IOException e) {
                    LOG.warn(
                            "Rank {} cannot share memory with rank {}, so they exchange over"
                                    + " sockets, which is slower: {}",
                            rank,
                            first,
                            e.toString());
                }
            }
            return proven(candidates, control);
        }

        /** Tells whether the memory is what the peers see, by the numbers they leave in it. */
        private @Nullable ByteBuffer proven(int[] candidates, @Nullable ByteBuffer control) {
            say("mapped", rank, new byte[0]);
            boolean same = control != null;
            for (int i = 0; i < candidates.length; i++) {
                hear("mapped", candidates[i]);
                same &=
                        control != null
                                && Session.area(new Words(control), i).nonce()
                                        == facts.get(candidates[i]).nonce();
            }
            say("joined", rank, new byte[] {(byte) (same ? 1 : 0)});
            return same ? control : null;
        }
    }
}
