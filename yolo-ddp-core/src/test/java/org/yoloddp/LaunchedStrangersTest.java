package org.yoloddp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.comm.StoreTimeoutException;
import org.yoloddp.rendezvous.HandshakeException;
import org.yoloddp.rendezvous.JobToken;
import org.yoloddp.rendezvous.StoreConnectionException;
import org.yoloddp.rendezvous.StoreOptions;
import org.yoloddp.rendezvous.TcpStore;
import org.yoloddp.testing.TcpSockets;
import org.yoloddp.testing.TcpSockets.TcpSocket;

/**
 * A launched training that is pestered while it runs, at its store and at the sockets of its ranks:
 * it ends with the bits that it has undisturbed, and its log says who was refused, and why.
 */
@Tag("torch")
@Timeout(110)
@EnabledOnOs(value = OS.LINUX, disabledReason = "ports and environments are found in /proc")
class LaunchedStrangersTest {

    private static final int RANKS = 2;
    private static final Duration LONG = Duration.ofSeconds(20);
    private static final String ANYONE = "127\\.0\\.0\\.1:\\d+";

    @TempDir private Path folder;

    private Map<String, String> environment = Map.of();
    private InetSocketAddress store = new InetSocketAddress(0);

    @Test
    @Tag("process")
    void strangersAndDoublesAreRefusedAndTheJobTrainsOn() throws Exception {
        FaultLaunch launch = new FaultLaunch(folder);
        List<String> rank = launch.command(Fault.HOLD, 0, FaultLaunch.HOST_PER_RANK);
        try (RunningLaunch job = launch.start(RANKS, rank, LaunchedNode.RESTARTS + "=0")) {
            long first = job.pid(1, 0);
            lookAt(first);
            job.awaitLog("rank 1 trains");
            int data = listening(first);

            Process second = startAgain();
            assertCutOff(
                    store.getPort(), "GET / HTTP/1.1\r\n\r\n".getBytes(StandardCharsets.UTF_8));
            assertCutOff(store.getPort(), new byte[] {0x7f, -1, -1, -1, 0, 0, 0, 0});
            assertCutOff(data, "GET / HTTP/1.1\r\n\r\n".getBytes(StandardCharsets.UTF_8));
            assertCutOff(data, new byte[] {0x7f, -1, -1, -1, 0, 0, 0, 0});
            assertRefused(JobToken.random(), options(), "they have different job tokens");
            assertRefused(JobToken.none(), options(), "they have different job tokens");
            assertRefused(token(), options().withJob("other"), "is of job");
            byte[] recorded = record();
            assertThat(exchange(store.getPort(), recorded)).contains("different job tokens");
            assertThat(exchange(data, recorded)).contains("is there for 'store'");

            String already =
                    "rank 1 \\(process %d on host1\\) has come, but rank 1 \\(process %d on host1\\)"
                                    .formatted(second.pid(), first)
                            + " is connected already\\. Start each rank once\\.";
            assertRefused(second, already);
            assertTrainsOn(job);
            String me = "process %d on .* at %s".formatted(ProcessHandle.current().pid(), ANYONE);
            assertThat(job.log())
                    .containsPattern(
                            refused(ANYONE, "what came is no handshake \\(a message of 1195"))
                    .containsPattern(
                            refused(ANYONE, "what came is no handshake \\(a message of 2147483647"))
                    .containsPattern(refused(me, "they have different job tokens"))
                    .containsPattern(refused(me, "the client is of job 'other'"))
                    .containsPattern(
                            refused(
                                    "rank 1 \\(process %d on host1\\) at %s"
                                            .formatted(second.pid(), ANYONE),
                                    already))
                    .containsPattern(
                            "Rank 1 refused a connection: .* no handshake \\(a message of 1195")
                    .containsPattern(
                            "Rank 1 refused a connection: .* no handshake \\(a message of 2147483647")
                    .containsPattern(
                            "Rank 1 refused a connection: .* the client is there for 'store', the"
                                    + " other side for 'data'");
            // Wrong token, none, and one that was right once.
            assertThat(job.log().split("refused process .* different job tokens", -1)).hasSize(4);
        }
    }

    /** What a former start of the job has left behind speaks up when the next is running. */
    @Test
    @Tag("slow")
    void whoeverIsOfAFormerStartIsRefusedAndTheNextTrainsOn() throws Exception {
        FaultLaunch launch = new FaultLaunch(folder);
        Files.createFile(folder.resolve("hold"));
        try (RunningLaunch job =
                launch.start(
                        RANKS, launch.command(Fault.EXCEPTION, 1), LaunchedNode.RESTARTS + "=1")) {
            lookAt(job.pid(1, 0));
            try (TcpStore former =
                    TcpStore.connect(store, token(), options().withGeneration(0), LONG)) {
                former.set("strangers/late", new byte[0], LONG);
                job.pid(1, 1);
                job.awaitLog("restart 1 of 1: rank 1 ");
                assertThatThrownBy(() -> former.set("strangers/late", new byte[0], LONG))
                        .isInstanceOf(StoreConnectionException.class)
                        .hasMessageContaining(" is gone: ");
            }
            Process late = startAgain();
            String begun =
                    "rank 1 \\(process %d on .*\\) is of generation 0, but generation 1 has begun"
                            .formatted(late.pid());
            assertRefused(late, begun);
            try (TcpStore now =
                    TcpStore.connect(store, token(), options().withGeneration(1), LONG)) {
                assertThatThrownBy(() -> now.get("strangers/late", Duration.ZERO))
                        .isInstanceOf(StoreTimeoutException.class);
            }
            assertTrainsOn(job);
            assertThat(job.log())
                    .containsPattern(
                            refused(
                                    "rank 1 \\(process %d on .*\\) at %s"
                                            .formatted(late.pid(), ANYONE),
                                    begun));
        }
    }

    /** Finds out what a rank knows of its job. */
    private void lookAt(long pid) throws IOException {
        environment = RunningLaunch.environment(pid);
        store = ProcessWorld.address(environment.getOrDefault("YOLODDP_STORE", ""), "the store");
    }

    /** How the store's log tells of one whom it has not let in. */
    private String refused(String whom, String why) {
        return "The store at 127.0.0.1:"
                + store.getPort()
                + " refused "
                + whom
                + ": The handshake for '.*' with "
                + ANYONE
                + " failed: "
                + why;
    }

    private void assertRefused(Process rank, String why) throws Exception {
        assertThat(rank.waitFor(30, TimeUnit.SECONDS)).isTrue();
        assertThat(rank.exitValue()).isEqualTo(1);
        Notice notice = Notice.read(folder.resolve("again/notice.1"));
        assertThat(notice.type()).as(notice.message()).isEqualTo("HandshakeException");
        assertThat(notice.message()).containsPattern(why);
    }

    private void assertTrainsOn(RunningLaunch job) throws IOException {
        Files.createFile(folder.resolve("go"));
        assertThat(job.report(Duration.ofSeconds(60))).as(job.log()).startsWith("DONE\n");
        String undisturbed = FaultyTraining.hashes(RANKS, FaultyTraining.EPOCHS);
        for (int rank = 0; rank < RANKS; rank++) {
            assertThat(folder.resolve("done." + rank)).content().isEqualTo(undisturbed);
        }
    }

    private StoreOptions options() {
        return StoreOptions.defaults().withJob(environment.get("TORCHELASTIC_RUN_ID"));
    }

    private JobToken token() {
        return JobToken.fromEnvironment(environment).orElseThrow();
    }

    private static int listening(long pid) throws IOException {
        return TcpSockets.of(pid).stream()
                .filter(TcpSocket::listens)
                .mapToInt(TcpSocket::localPort)
                .findFirst()
                .orElseThrow();
    }

    /** The same command with the same variables, once more. */
    private Process startAgain() throws IOException {
        Path apart = Files.createDirectory(folder.resolve("again"));
        List<String> words = new FaultLaunch(apart).command(Fault.HOLD, 0);
        ProcessBuilder builder =
                new ProcessBuilder(words)
                        .redirectErrorStream(true)
                        .redirectOutput(apart.resolve("log").toFile());
        builder.environment().clear();
        builder.environment().putAll(environment);
        builder.environment().remove("TORCHELASTIC_ERROR_FILE");
        return builder.start();
    }

    private static Socket connect(int port) throws IOException {
        Socket socket = new Socket(InetAddress.getLoopbackAddress(), port);
        socket.setSoTimeout(20_000);
        return socket;
    }

    /** Says something, and returns what is answered until the other side hangs up. */
    private static String exchange(int port, byte[] words) throws IOException {
        try (Socket socket = connect(port)) {
            socket.getOutputStream().write(words);
            return new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    private static void assertCutOff(int port, byte[] words) throws IOException {
        try {
            assertThat(exchange(port, words)).hasSizeLessThan(4096);
        } catch (SocketException e) {
            assertThat(e).hasMessage("Connection reset");
        }
    }

    private void assertRefused(JobToken token, StoreOptions options, String why) {
        assertThatThrownBy(() -> TcpStore.connect(store, token, options, LONG))
                .isInstanceOf(HandshakeException.class)
                .hasMessageContaining(why);
    }

    /** What an honest client has said in its handshake. */
    private byte[] record() throws Exception {
        ByteArrayOutputStream said = new ByteArrayOutputStream();
        try (ServerSocket between = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            CompletableFuture<Socket> there =
                    CompletableFuture.supplyAsync(() -> relay(between, said));
            InetSocketAddress address = (InetSocketAddress) between.getLocalSocketAddress();
            try (TcpStore honest = TcpStore.connect(address, token(), options(), LONG)) {
                byte[] handshake;
                synchronized (said) {
                    handshake = said.toByteArray();
                }
                assertThat(honest.add("strangers/seen", 1, LONG)).isEqualTo(1);
                return handshake;
            } finally {
                there.get(10, TimeUnit.SECONDS).close();
            }
        }
    }

    private Socket relay(ServerSocket between, ByteArrayOutputStream said) {
        try {
            Socket here = between.accept();
            Socket there = connect(store.getPort());
            pass(here, there, said);
            pass(there, here, new ByteArrayOutputStream());
            return there;
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private static void pass(Socket from, Socket to, ByteArrayOutputStream seen) {
        Thread thread =
                new Thread(
                        () -> {
                            byte[] buffer = new byte[4096];
                            try (from;
                                    to) {
                                InputStream in = from.getInputStream();
                                for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
                                    synchronized (seen) {
                                        seen.write(buffer, 0, n);
                                    }
                                    to.getOutputStream().write(buffer, 0, n);
                                }
                            } catch (IOException e) {
                                // as good as its end
                            }
                        },
                        "relay");
        thread.setDaemon(true);
        thread.start();
    }
}
