package org.yoloddp.rendezvous;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.NetworkInterface;
import java.net.SocketException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.yoloddp.comm.Store;
import org.yoloddp.comm.StoreTimeoutException;
import org.yoloddp.error.ConfigurationException;

@Timeout(30)
class TcpStoreTest {

    private static final Duration LONG = Duration.ofSeconds(10);
    private static final Duration SHORT = Duration.ofMillis(50);

    private final JobToken token = JobToken.random();
    private final List<AutoCloseable> opened = new ArrayList<>();
    private final StoreServer server = serve(StoreOptions.defaults());

    private StoreServer serve(StoreOptions options) {
        StoreServer started = StoreServer.start(loopback(0), token, options);
        opened.add(0, started);
        return started;
    }

    private TcpStore connect(StoreOptions options) {
        TcpStore store = TcpStore.connect(server.address(), token, options, LONG);
        opened.add(0, store);
        return store;
    }

    private TcpStore connect() {
        return connect(StoreOptions.defaults());
    }

    @AfterEach
    void close() throws Exception {
        for (AutoCloseable resource : opened) {
            resource.close();
        }
    }

    static InetSocketAddress loopback(int port) {
        return new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    @Test
    void valuesAreSeenByAll() {
        Store a = connect();
        Store b = connect();
        a.set("k", bytes("v"), LONG);
        assertThat(b.get("k", LONG)).isEqualTo(bytes("v"));
        assertThat(b.add("n", 5, LONG)).isEqualTo(5);
        assertThat(a.add("n", -7, LONG)).isEqualTo(-2);
        assertThat(a.get("n", LONG)).isEqualTo(bytes("-2"));
        assertThat(a.compareAndSet("k", bytes("x"), bytes("y"), LONG)).isFalse();
        assertThat(a.compareAndSet("k", bytes("v"), bytes("y"), LONG)).isTrue();
        assertThat(b.compareAndSet("new", null, bytes(""), LONG)).isTrue();
        assertThat(b.compareAndSet("new", null, bytes("z"), LONG)).isFalse();
        assertThat(a.get("new", LONG)).isEmpty();
        assertThatThrownBy(() -> a.add("k", 1, LONG))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("The value of 'k' is not a number");
    }

    @Test
    void whatIsTakenGoesToOneAndTakesNoRoom() throws Exception {
        StoreServer small = serve(StoreOptions.defaults().withMaxStoreBytes(1500));
        try (TcpStore store = TcpStore.connect(small.address(), token, LONG)) {
            CompletableFuture<byte[]> a =
                    CompletableFuture.supplyAsync(() -> store.take("k", LONG));
            CompletableFuture<byte[]> b =
                    CompletableFuture.supplyAsync(() -> store.take("k", LONG));
            CompletableFuture<byte[]> seen =
                    CompletableFuture.supplyAsync(() -> store.get("never", SHORT));
            store.set("k", bytes("1"), LONG);
            CompletableFuture.anyOf(a, b).get(10, TimeUnit.SECONDS);
            store.set("k", bytes("2"), LONG);
            List<String> taken = new ArrayList<>();
            for (CompletableFuture<byte[]> value : List.of(a, b)) {
                taken.add(new String(value.get(10, TimeUnit.SECONDS), StandardCharsets.UTF_8));
            }
            assertThat(taken).containsExactlyInAnyOrder("1", "2");
            assertThatThrownBy(() -> store.take("k", SHORT))
                    .isInstanceOf(StoreTimeoutException.class);
            assertThatThrownBy(() -> seen.get(10, TimeUnit.SECONDS))
                    .hasCauseInstanceOf(StoreTimeoutException.class);
            for (int i = 0; i < 10; i++) {
                store.set("big" + i, new byte[900], LONG);
                assertThat(store.take("big" + i, LONG)).hasSize(900);
            }
        }
    }

    @Test
    void bigValuePassesWhole() {
        byte[] big = new byte[1 << 20];
        for (int i = 0; i < big.length; i++) {
            big[i] = (byte) (i * 31);
        }
        connect().set("big", big, LONG);
        assertThat(connect().get("big", LONG)).isEqualTo(big);
    }

    @Test
    void whatDoesNotFitIsRefused() {
        StoreServer small =
                serve(StoreOptions.defaults().withMaxMessageBytes(1000).withMaxStoreBytes(1500));
        String at = "127.0.0.1:" + small.address().getPort();
        StoreOptions options = StoreOptions.defaults().withMaxMessageBytes(1000);
        try (TcpStore store = TcpStore.connect(small.address(), token, options, LONG)) {
            assertThatThrownBy(() -> store.set("k", new byte[1000], LONG))
                    .isInstanceOf(StoreConnectionException.class)
                    .hasMessage(
                            "The store at "
                                    + at
                                    + " refused a request: 'k' and its value have 1026 bytes, the"
                                    + " longest message 1000.");
            store.set("a", new byte[900], LONG);
            assertThatThrownBy(() -> store.set("b", new byte[900], LONG))
                    .isInstanceOf(StoreConnectionException.class)
                    .hasMessage(
                            "The store at "
                                    + at
                                    + " refused a request: it would hold more than 1500 bytes.");
            store.set("a", new byte[700], LONG);
            store.set("b", new byte[500], LONG);
        }
    }

    @Test
    void waitThatBlocksDoesNotBlockOthers() throws Exception {
        Store store = connect();
        CompletableFuture<byte[]> waiting =
                CompletableFuture.supplyAsync(() -> store.get("late", LONG));
        store.set("other", bytes("1"), LONG);
        assertThat(store.get("other", LONG)).isEqualTo(bytes("1"));
        assertThat(waiting).isNotDone();
        store.set("late", bytes("2"), LONG);
        assertThat(waiting.get(10, TimeUnit.SECONDS)).isEqualTo(bytes("2"));
    }

    @Test
    void waitEndsAtItsDeadlineAndNamesWhatIsMissing() {
        Store store = connect(StoreOptions.defaults().withGeneration(3));
        store.set("a", bytes(""), LONG);
        assertThatThrownBy(() -> store.await(List.of("a", "b", "c"), SHORT))
                .isInstanceOfSatisfying(
                        StoreTimeoutException.class,
                        e -> assertThat(e.missing()).containsExactly("b", "c"))
                .hasMessage(
                        "Not in the store within 50 ms: b, c. Find out why the ranks that set it"
                                + " have not come, or raise the deadline.");
        assertThatThrownBy(() -> store.get("b", Duration.ZERO))
                .isInstanceOf(StoreTimeoutException.class);
        store.set("b", bytes("1"), LONG);
        assertThat(store.get("b", Duration.ZERO)).isEqualTo(bytes("1"));
    }

    @Test
    void serverThatDiesEndsEveryWait() {
        TcpStore store = connect();
        CompletableFuture<byte[]> waiting =
                CompletableFuture.supplyAsync(() -> store.get("never", LONG));
        store.set("k", bytes(""), LONG);
        server.close();
        String message =
                "The store at 127.0.0.1:"
                        + server.address().getPort()
                        + ", served by "
                        + Hello.of("", "", -1, -1).describe()
                        + ", is gone: the other side closed it. Without it the job cannot go on;"
                        + " see what ended that process.";
        assertThatThrownBy(() -> waiting.get(5, TimeUnit.SECONDS))
                .isInstanceOf(ExecutionException.class)
                .cause()
                .isInstanceOf(StoreConnectionException.class)
                .hasMessage(message);
        assertThatThrownBy(() -> store.set("k", bytes(""), LONG)).hasMessage(message);
    }

    @Test
    void closedStoreSaysSo() {
        TcpStore store = connect();
        store.close();
        store.close();
        assertThatThrownBy(() -> store.get("k", LONG))
                .isInstanceOf(StoreConnectionException.class)
                .hasMessage(
                        "This process has closed its connection to the store at 127.0.0.1:"
                                + server.address().getPort()
                                + ".");
    }

    @Test
    void serverMayComeLater() throws Exception {
        InetSocketAddress address = server.address();
        server.close();
        CompletableFuture<TcpStore> connecting =
                CompletableFuture.supplyAsync(
                        () -> TcpStore.connect(address, token, Duration.ofSeconds(10)));
        try (StoreServer later = StoreServer.start(address, token, StoreOptions.defaults());
                TcpStore store = connecting.get(10, TimeUnit.SECONDS)) {
            assertThat(later.address()).isEqualTo(address);
            store.set("k", bytes(""), LONG);
        }
    }

    @Test
    void nobodyAtTheAddressIsSaidAtTheDeadline() {
        server.close();
        assertThatThrownBy(() -> TcpStore.connect(server.address(), token, SHORT))
                .isInstanceOf(StoreConnectionException.class)
                .hasMessage(
                        "No store at 127.0.0.1:"
                                + server.address().getPort()
                                + " within 50 ms: java.net.ConnectException: Connection refused."
                                + " Start the process that serves it (rank 0, or the launcher of"
                                + " node 0), or correct MASTER_ADDR and MASTER_PORT.");
    }

    @Test
    void portInUseIsNamed() {
        assertThatThrownBy(
                        () -> StoreServer.start(server.address(), token, StoreOptions.defaults()))
                .isInstanceOf(StoreConnectionException.class)
                .hasMessage(
                        "The store cannot listen on 127.0.0.1:"
                                + server.address().getPort()
                                + ": Address already in use. Choose another port (MASTER_PORT), or"
                                + " end the program that uses it; the address must be one of this"
                                + " host.");
    }

    @Test
    void generationsDoNotSeeEachOther() throws Exception {
        Store old = connect(StoreOptions.defaults().withGeneration(0));
        Store agent = connect();
        old.set("k", bytes("old"), LONG);
        assertThat(agent.get("g0/k", LONG)).isEqualTo(bytes("old"));
        server.beginGeneration(1);
        // The late message of a worker from before the restart.
        assertThatThrownBy(
                        () -> {
                            while (true) {
                                old.set("k", bytes("late"), LONG);
                            }
                        })
                .isInstanceOf(StoreConnectionException.class);
        Store current = connect(StoreOptions.defaults().withGeneration(1));
        assertThatThrownBy(() -> current.get("k", SHORT)).isInstanceOf(StoreTimeoutException.class);
        assertThatThrownBy(() -> agent.get("g0/k", SHORT))
                .isInstanceOf(StoreTimeoutException.class);
        assertThatThrownBy(() -> connect(StoreOptions.defaults().withGeneration(0).withRank(1)))
                .isInstanceOfSatisfying(
                        HandshakeException.class,
                        e -> assertThat(e.reason()).isEqualTo(HandshakeException.Reason.ADMISSION))
                .hasMessage(
                        "The handshake for 'store' with 127.0.0.1:"
                                + server.address().getPort()
                                + " failed: "
                                + Hello.of("", "", 0, 1).describe()
                                + " is of generation 0, but generation 1 has begun. Start each rank"
                                + " once.");
    }

    @Test
    void rankThatComesTwiceIsRefused() {
        StoreOptions one = StoreOptions.defaults().withGeneration(0).withRank(1);
        TcpStore first = connect(one);
        String rank = Hello.of("", "", 0, 1).describe();
        assertThatThrownBy(() -> connect(one))
                .isInstanceOf(HandshakeException.class)
                .hasMessage(
                        "The handshake for 'store' with 127.0.0.1:"
                                + server.address().getPort()
                                + " failed: "
                                + rank
                                + " has come, but "
                                + rank
                                + " is connected already. Start each rank once.");
        first.set("the first one is unharmed", bytes(""), LONG);
        connect(one.withRank(2));
        connect(one.withGeneration(1));
    }

    @Test
    void openRendezvousNeedsAToken() {
        assertThatThrownBy(
                        () ->
                                StoreServer.start(
                                        new InetSocketAddress("0.0.0.0", 0),
                                        JobToken.none(),
                                        StoreOptions.defaults()))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "A rendezvous at 0.0.0.0:0 can be reached from other machines, but there is"
                                + " no job token. Put 32 random characters into a file, the same on"
                                + " all nodes, and set YOLODDP_TOKEN_FILE to it, or set"
                                + " YOLODDP_TOKEN; or pass --insecure-rendezvous if everybody on"
                                + " this network may join.");
        StoreOptions insecure = StoreOptions.defaults().withInsecure(true);
        StoreServer.start(new InetSocketAddress("0.0.0.0", 0), JobToken.none(), insecure).close();
        StoreServer.start(loopback(0), JobToken.none(), StoreOptions.defaults()).close();
    }

    /** Without the given address a server would be reachable by all of the host's addresses. */
    @Test
    void onlyTheGivenAddressIsBound() throws SocketException {
        assertThat(server.address().getAddress().isLoopbackAddress()).isTrue();
        List<InetAddress> others =
                NetworkInterface.networkInterfaces()
                        .flatMap(NetworkInterface::inetAddresses)
                        .filter(address -> !address.isLoopbackAddress())
                        .filter(address -> !address.isLinkLocalAddress())
                        .toList();
        for (InetAddress other : others) {
            InetSocketAddress address = new InetSocketAddress(other, server.address().getPort());
            assertThatThrownBy(
                            () -> TcpStore.connect(address, token, StoreOptions.defaults(), SHORT))
                    .isInstanceOf(StoreConnectionException.class);
        }
    }

    @Test
    void prefixKeepsKeysApart() {
        Store store = connect();
        Store a = new PrefixStore(store, "a/");
        Store b = new PrefixStore(store, "b/");
        a.set("k", bytes("1"), LONG);
        assertThat(b.compareAndSet("k", null, bytes("2"), LONG)).isTrue();
        assertThat(a.add("k", 1, LONG)).isEqualTo(2);
        a.await(List.of("k"), LONG);
        assertThat(store.get("a/k", LONG)).isEqualTo(bytes("2"));
        assertThat(b.get("k", LONG)).isEqualTo(bytes("2"));
        assertThatThrownBy(() -> b.await(List.of("k", "x"), SHORT))
                .isInstanceOfSatisfying(
                        StoreTimeoutException.class,
                        e -> assertThat(e.missing()).containsExactly("b/x"));
    }
}
