package org.yoloddp.launch;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.rendezvous.HandshakeException;
import org.yoloddp.rendezvous.HandshakeException.Reason;
import org.yoloddp.rendezvous.JobToken;
import org.yoloddp.rendezvous.StoreConnectionException;
import org.yoloddp.rendezvous.StoreOptions;
import org.yoloddp.rendezvous.StoreServer;
import org.yoloddp.rendezvous.TcpStore;
import org.yoloddp.rendezvous.TlsOptions;

/**
 * How ranks that the real torchrun has started find each other. Its agent holds MASTER_PORT with a
 * TCPStore of PyTorch's (protocol of 2.7); through that, rank 0 tells the others where it serves
 * the job's store, and a fresh token, which is as secret as torchrun's store is. The key has
 * torchrun's restart count in it.
 *
 * <p>To be closed when the job is over, since rank 0 serves the store until then. Thread-safe.
 */
public final class TorchrunAgreement implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(TorchrunAgreement.class);

    private static final Duration PROBE = Duration.ofSeconds(2);

    private final InetSocketAddress address;
    private final JobToken token;
    private final StoreOptions options;
    private final @Nullable StoreServer server;

    private TorchrunAgreement(
            InetSocketAddress address,
            JobToken token,
            StoreOptions options,
            @Nullable StoreServer server) {
        this.address = address;
        this.token = token;
        this.options = options;
        this.server = server;
    }

    /**
     * Tells whether an environment is that of a worker of torchrun whose agent holds MASTER_PORT.
     *
     * @param environment the variables
     * @return true if TORCHELASTIC_USE_AGENT_STORE is {@code True}
     */
    public static boolean applies(Map<String, String> environment) {
        return "True".equalsIgnoreCase(environment.get("TORCHELASTIC_USE_AGENT_STORE"));
    }

    /**
     * Agrees with the other ranks. Rank 0 begins to serve the job's store on the host that
     * MASTER_ADDR names, at a free port.
     *
     * @param environment torchrun's variables
     * @param deadline how long it may take until rank 0 has told
     * @return where the store is; closing it ends rank 0's service
     * @throws TorchStoreException if torchrun's store cannot be used, or rank 0 doesn't tell in
     *     time
     * @throws HandshakeException if rank 0 speaks TLS and this rank does not, or the other way
     *     round, or one does not accept the other's certificate
     */
    public static TorchrunAgreement reach(Map<String, String> environment, Duration deadline) {
        String host = variable(environment, "MASTER_ADDR");
        int port = number(environment, "MASTER_PORT");
        int rank = number(environment, "RANK");
        String count = environment.getOrDefault("TORCHELASTIC_RESTART_COUNT", "0");
        String job = environment.getOrDefault("TORCHELASTIC_RUN_ID", "none");
        String key = "/yoloddp/" + job + "/" + count + "/endpoint";
        StoreOptions options =
                StoreOptions.defaults()
                        .withJob(job)
                        .withTls(TlsOptions.fromEnvironment(environment));
        try (TorchStoreClient store = TorchStoreClient.connect(host, port, deadline)) {
            return rank == 0
                    ? publish(store, key, host, options)
                    : find(store, key, host + ":" + port, options, deadline);
        }
    }

    private static TorchrunAgreement publish(
            TorchStoreClient store, String key, String host, StoreOptions options) {
        JobToken token = JobToken.random();
        StoreServer server = serve(store, host, token, options);
        InetSocketAddress address = server.address();
        try {
            store.set(
                    key,
                    address.getAddress().getHostAddress()
                            + " "
                            + address.getPort()
                            + " "
                            + token.secret());
            // An answer proves that the value has arrived: set has none.
            store.find(key);
        } catch (RuntimeException e) {
            server.close();
            throw e;
        }
        LOG.info("the job's store is at {}, as torchrun's store says", address);
        return new TorchrunAgreement(address, token, options, server);
    }

    /** Where MASTER_ADDR is an address of something in between, the way to it shows our own. */
    private static StoreServer serve(
            TorchStoreClient store, String host, JobToken token, StoreOptions options) {
        List<InetAddress> candidates = new ArrayList<>();
        try {
            candidates.add(InetAddress.getByName(host));
        } catch (IOException e) {
            LOG.debug("{} cannot be resolved", host, e);
        }
        candidates.add(store.localAddress());
        @Nullable StoreConnectionException failure = null;
        for (InetAddress candidate : candidates) {
            try {
                return StoreServer.start(new InetSocketAddress(candidate, 0), token, options);
            } catch (StoreConnectionException e) {
                failure = e;
            }
        }
        throw TorchStoreException.cannotServe(
                host, failure == null ? new IOException("no address") : failure);
    }

    /**
     * Reads what rank 0 has told. Where nodes have come or gone, torchrun starts all anew with the
     * same count, so that the value may be of before: then nobody is there who knows the token.
     */
    private static TorchrunAgreement find(
            TorchStoreClient store,
            String key,
            String address,
            StoreOptions options,
            Duration deadline) {
        long end = System.nanoTime() + deadline.toNanos();
        String stale = "";
        while (true) {
            Optional<String> value = store.awaitOtherThan(stale, key, end);
            if (value.isEmpty()) {
                throw TorchStoreException.notThere(address, key, deadline);
            }
            Optional<TorchrunAgreement> found = parse(value.get(), options);
            if (found.isPresent() && found.get().answers()) {
                return found.get();
            }
            stale = value.get();
            LOG.info(
                    "nobody is at the endpoint that torchrun's store names: waiting for a new one");
        }
    }

    private static Optional<TorchrunAgreement> parse(String value, StoreOptions options) {
        String[] parts = value.split(" ", -1);
        if (parts.length != 3 || !parts[1].matches("\\d{1,5}")) {
            return Optional.empty();
        }
        return Optional.of(
                new TorchrunAgreement(
                        new InetSocketAddress(parts[0], Integer.parseInt(parts[1])),
                        JobToken.of(parts[2]),
                        options,
                        null));
    }

    private boolean answers() {
        try (TcpStore store = TcpStore.connect(address, token, options, PROBE)) {
            return store.address().equals(address);
        } catch (HandshakeException e) {
            if (e.reason() == Reason.TLS || e.reason() == Reason.CERTIFICATE) {
                throw e; // That won't change by itself.
            }
            LOG.debug("{} does not know us", address, e);
            return false;
        } catch (StoreConnectionException e) {
            LOG.debug("{} does not answer", address, e);
            return false;
        }
    }

    /**
     * Returns where rank 0 serves the job's store.
     *
     * @return the address
     */
    public InetSocketAddress address() {
        return address;
    }

    /**
     * Returns the job's token.
     *
     * @return the token
     */
    public JobToken token() {
        return token;
    }

    /**
     * Returns how to connect to the store.
     *
     * @return options with the job's name, without generation and rank
     */
    public StoreOptions options() {
        return options;
    }

    /** Ends the service of the store, on rank 0. Idempotent. */
    @Override
    public void close() {
        if (server != null) {
            server.close();
        }
    }

    private static String variable(Map<String, String> environment, String name) {
        String value = environment.get(name);
        if (value == null || value.isBlank()) {
            throw TorchStoreException.notFromTorchrun(name);
        }
        return value.strip();
    }

    private static int number(Map<String, String> environment, String name) {
        try {
            return Integer.parseInt(variable(environment, name));
        } catch (NumberFormatException e) {
            throw TorchStoreException.notFromTorchrun(name);
        }
    }
}
