package org.yoloddp;

import ai.djl.Device;
import java.net.InetSocketAddress;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.CommunicatorProvider;
import org.yoloddp.comm.CommunicatorProviders;
import org.yoloddp.comm.GroupContext;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.comm.RoutingCommunicator;
import org.yoloddp.comm.StoreTimeoutException;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.error.YoloDdpException;
import org.yoloddp.launch.Detection;
import org.yoloddp.launch.Launcher;
import org.yoloddp.launch.ProcessPlace;
import org.yoloddp.launch.TorchrunAgreement;
import org.yoloddp.natives.NativeReport;
import org.yoloddp.rendezvous.FailureChannel;
import org.yoloddp.rendezvous.Hello;
import org.yoloddp.rendezvous.JobToken;
import org.yoloddp.rendezvous.Rendezvous;
import org.yoloddp.rendezvous.StoreOptions;
import org.yoloddp.rendezvous.StoreServer;
import org.yoloddp.rendezvous.TcpStore;
import org.yoloddp.rendezvous.TlsOptions;
import org.yoloddp.torch.Devices;
import org.yoloddp.torch.TorchRuntime;
import org.yoloddp.train.RankPlace;
import org.yoloddp.train.RunFacts;
import org.yoloddp.train.TrainingSettings;

/**
 * This process as one rank of several processes. Each training is a meeting of its own, with its
 * own part of the store, so that a process may train several times.
 */
final class ProcessWorld {

    private static final Logger LOG = LoggerFactory.getLogger(ProcessWorld.class);

    /** An endpoint for the ranks alone, where rank 0 serves the store; overrides the others. */
    static final String ENDPOINT = "YOLODDP_RDZV_ENDPOINT";

    /** Allows a rendezvous beyond loopback without a token. */
    private static final String INSECURE = "YOLODDP_INSECURE_RENDEZVOUS";

    /** Names the communicator of the ranks' devices, instead of the first that can. */
    static final String COMMUNICATOR = "YOLODDP_COMMUNICATOR";

    /** What connects the memory of hosts. */
    private static final String HOSTS = "tcp";

    private static final Duration GOODBYE = Duration.ofSeconds(10);

    /** How long the root cause may take once something has failed. */
    private static final Duration DECISION = Duration.ofSeconds(2);

    /** How often this process has met the others: all ranks count alike. */
    private static final AtomicInteger MEETINGS = new AtomicInteger();

    /** Where this process serves the store; kept for its next meetings, as others may be early. */
    private static @Nullable Service service;

    private record Service(InetSocketAddress asked, StoreServer server) {}

    private record Endpoint(InetSocketAddress address, JobToken token, boolean isServedHere) {}

    private record Local(int rank, int size, int threads) {}

    private final Map<String, String> environment;
    private final ProcessPlace place;

    ProcessWorld(Map<String, String> environment, Detection found) {
        this.environment = Map.copyOf(environment);
        this.place = found.place().orElseThrow();
    }

    int size() {
        return place.worldSize();
    }

    /**
     * Meets the others; what was opened is closed again if that fails, or with the communicator.
     */
    RankPlace connect(TrainingSettings settings, int threadsPerRank, DeviceChoice choice) {
        Deque<AutoCloseable> opened = new ArrayDeque<>();
        FailureChannel channel = null;
        try {
            Duration deadline = settings.deadlines().collective();
            StoreOptions options = options(settings);
            Endpoint endpoint = endpoint(options, deadline, opened);
            TcpStore store =
                    TcpStore.connect(endpoint.address(), endpoint.token(), options, deadline);
            opened.push(store);
            channel = store.failureChannel(deadline);
            channel.progress("checking the data", -1);
            DevicePlan plan = DevicePlan.ofThisMachine();
            LOG.info("rank {} of {} is at {}", place.rank(), place.worldSize(), store);
            Map<String, String> facts = facts(settings, plan.kind(choice));
            channel.progress("waiting for the other ranks", -1);
            List<Hello> ranks =
                    Rendezvous.join(store, place.rank(), place.worldSize(), facts, deadline);
            channel.progress("preparing", -1);
            Local local = local(ranks, threadsPerRank);
            Device device = plan.process(choice, local.rank(), local.size());
            Communicator communicator = connect(local, device, store, deadline);
            FailureChannel failures = channel;
            opened.push(() -> leave(store, failures, endpoint.isServedHere()));
            return new RankPlace(
                    failures.watch(communicator, () -> close(opened)),
                    device,
                    local.rank(),
                    local.size(),
                    local.threads(),
                    store);
        } catch (CommunicationException e) {
            // Ranks that were told of it in different ways tell the same.
            CommunicationException cause = channel == null ? e : channel.settle(e, DECISION).copy();
            closeAfter(cause, opened);
            throw cause;
        } catch (RuntimeException | Error e) {
            if (channel != null) {
                channel.report(e);
            }
            closeAfter(e, opened);
            throw e;
        }
    }

    /**
     * Connects the memory of the hosts, and that of the devices if the ranks compute on others. A
     * communicator that is chosen by name does all alone if it can work on the host.
     */
    private Communicator connect(Local local, Device device, TcpStore store, Duration deadline) {
        MemoryDevice memory = Devices.memory(device);
        String chosen = environment.get(COMMUNICATOR);
        CommunicatorProvider provider =
                chosen != null && !chosen.isBlank()
                        ? CommunicatorProviders.get(chosen.strip(), memory)
                        : memory.isHost()
                                ? CommunicatorProviders.get(HOSTS)
                                : CommunicatorProviders.require(memory);
        LOG.info(
                "rank {} computes on {}; gradients go by '{}'",
                place.rank(),
                memory,
                provider.name());
        if (memory.isHost()) {
            return provider.connect(context(local, memory, store, deadline));
        }
        Communicator hosts =
                CommunicatorProviders.get(HOSTS)
                        .connect(context(local, MemoryDevice.HOST, store, deadline));
        try {
            return RoutingCommunicator.of(
                    hosts, provider.connect(context(local, memory, store, deadline)));
        } catch (RuntimeException | Error e) {
            hosts.abort(e);
            hosts.close();
            throw e;
        }
    }

    private GroupContext context(
            Local local, MemoryDevice memory, TcpStore store, Duration deadline) {
        return new GroupContext(
                place.rank(),
                place.worldSize(),
                local.rank(),
                GroupContext.localHostId(),
                memory,
                store,
                deadline);
    }

    private StoreOptions options(TrainingSettings settings) {
        return StoreOptions.defaults()
                .withHeartbeats(settings.heartbeats())
                .withJob(place.job())
                .withGeneration(place.generation())
                .withRank(place.rank())
                .withInsecure("1".equals(environment.get(INSECURE)))
                .withTls(TlsOptions.fromEnvironment(environment))
                .withScope("meeting" + MEETINGS.getAndIncrement() + "/");
    }

    /** Finds the store: a launcher's, one agreed on by torchrun's, or that of rank 0. */
    private Endpoint endpoint(
            StoreOptions options, Duration deadline, Deque<AutoCloseable> opened) {
        String served = environment.get(Launcher.STORE_VARIABLE);
        JobToken token = JobToken.fromEnvironment(environment).orElse(JobToken.none());
        String chosen = environment.get(ENDPOINT);
        if (chosen != null && !chosen.isBlank()) {
            return servedByRankZero(address(chosen.strip(), ENDPOINT), token, options);
        }
        if (served != null && !served.isBlank()) {
            return new Endpoint(address(served.strip(), Launcher.STORE_VARIABLE), token, false);
        }
        if (TorchrunAgreement.applies(environment)) {
            TorchrunAgreement agreed = TorchrunAgreement.reach(environment, deadline);
            opened.push(agreed);
            return new Endpoint(agreed.address(), agreed.token(), place.rank() == 0);
        }
        InetSocketAddress address =
                new InetSocketAddress(place.masterAddress(), place.masterPort());
        if (address.isUnresolved() && place.rank() == 0) {
            throw new ConfigurationException(
                    "The host '"
                            + place.masterAddress()
                            + "' of MASTER_ADDR is not known here: correct it, or the name"
                            + " service.");
        }
        return servedByRankZero(address, token, options);
    }

    private Endpoint servedByRankZero(
            InetSocketAddress address, JobToken token, StoreOptions options) {
        if (place.rank() == 0) {
            serve(address, token, options);
        }
        return new Endpoint(address, token, place.rank() == 0);
    }

    /** Reads host and port. */
    static InetSocketAddress address(String text, String what) {
        int colon = text.lastIndexOf(':');
        String port = text.substring(colon + 1);
        if (colon < 1 || !port.matches("\\d{1,5}")) {
            throw new ConfigurationException(what + " is '" + text + "', but has to be host:port");
        }
        String host = text.substring(0, colon).replaceAll("^\\[|\\]$", "");
        return new InetSocketAddress(host, Integer.parseInt(port));
    }

    private static synchronized void serve(
            InetSocketAddress address, JobToken token, StoreOptions options) {
        Service running = service;
        if (running == null || !running.asked().equals(address)) {
            StoreServer server = StoreServer.start(address, token, options);
            service = new Service(address, server);
            LOG.info("this process serves the job's store: {}", server);
        }
    }

    /** What all ranks must have in common before anything is exchanged. */
    private Map<String, String> facts(TrainingSettings settings, String device) {
        NativeReport versions = TorchRuntime.versions();
        Map<String, String> facts = new LinkedHashMap<>();
        facts.put("libtorch", Objects.requireNonNullElse(versions.libtorchVersion(), "unknown"));
        facts.put("DJL", versions.djlVersion());
        facts.put("byte order", ByteOrder.nativeOrder().toString());
        facts.put("device", device);
        facts.put("communicator", environment.getOrDefault(COMMUNICATOR, "the device's"));
        facts.putAll(RunFacts.of(settings));
        facts.putAll(settings.heartbeats().facts());
        return facts;
    }

    /** Where the environment does not tell, the hosts that the ranks name do. */
    private Local local(List<Hello> ranks, int threadsPerRank) {
        int localSize = place.localWorldSize();
        int localRank = place.localRank();
        if (localSize == 0) {
            String host = ranks.get(place.rank()).host();
            int[] here =
                    IntStream.range(0, ranks.size())
                            .filter(rank -> ranks.get(rank).host().equals(host))
                            .toArray();
            localSize = here.length;
            localRank = (int) IntStream.of(here).filter(rank -> rank < place.rank()).count();
        }
        int cores = Runtime.getRuntime().availableProcessors();
        int threads = threadsPerRank > 0 ? threadsPerRank : Math.max(1, cores / localSize);
        return new Local(localRank, localSize, threads);
    }

    /** The one who serves the store waits until the others need it no more. */
    private void leave(TcpStore store, FailureChannel failures, boolean servedHere) {
        if (failures.failure().isPresent()) {
            return;
        }
        try {
            store.set("left/" + place.rank(), new byte[0], GOODBYE);
            if (servedHere) {
                List<String> others =
                        IntStream.range(0, place.worldSize()).mapToObj(r -> "left/" + r).toList();
                store.await(others, GOODBYE);
            }
        } catch (StoreTimeoutException e) {
            LOG.warn("Some ranks have not left the job's store: {}", e.missing());
        } catch (YoloDdpException e) {
            // A store that is gone needs no goodbye, and what failed has been told.
            LOG.debug("leaving the store", e);
        }
    }

    private static void close(Deque<AutoCloseable> opened) {
        RuntimeException failure = new IllegalStateException("Leaving the job failed");
        closeAfter(failure, opened);
        if (failure.getSuppressed().length > 0) {
            throw failure;
        }
    }

    private static void closeAfter(Throwable failure, Deque<AutoCloseable> opened) {
        while (!opened.isEmpty()) {
            try {
                opened.pop().close();
            } catch (Exception e) {
                failure.addSuppressed(e);
            }
        }
    }

    @Override
    public String toString() {
        return "rank " + place.rank() + " of " + place.worldSize() + ", each a process of its own";
    }
}
