package org.yoloddp.rendezvous;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.testing.JavaProcess;

/** Real processes that are killed and stopped: who is told, of whom, and how soon. */
@Tag("process")
@EnabledOnOs(OS.LINUX)
@Timeout(60)
class RankProcessesTest {

    private static final int RANKS = 3;

    private final JobToken token = JobToken.random();
    private final StoreServer server =
            StoreServer.start(TcpStoreTest.loopback(0), token, StoreOptions.defaults());
    private final BlockingQueue<CommunicationException> atServer = new LinkedBlockingQueue<>();
    private final List<JavaProcess.Running> ranks = new ArrayList<>();

    private void start() {
        server.onFailure((generation, failure) -> atServer.add(failure));
        for (int rank = 0; rank < RANKS; rank++) {
            ranks.add(
                    JavaProcess.of(
                                    WatchedRank.class,
                                    Integer.toString(server.address().getPort()),
                                    Integer.toString(rank),
                                    Integer.toString(RANKS))
                            .jvm("-XX:TieredStopAtLevel=1", "-Xmx64m", "-Xshare:auto")
                            .env(JobToken.VARIABLE, token.secret())
                            .timeout(Duration.ofSeconds(40))
                            .start());
        }
        for (JavaProcess.Running rank : ranks) {
            while (!rank.output().contains("ready")) {
                assertThat(rank.process().isAlive()).as(rank.output()).isTrue();
                Thread.onSpinWait();
            }
        }
    }

    @AfterEach
    void close() {
        ranks.forEach(rank -> rank.process().destroyForcibly());
        server.close();
    }

    /** Sends a signal, and returns when. */
    private long signal(String name, int rank) throws IOException, InterruptedException {
        String pid = Long.toString(ranks.get(rank).process().pid());
        long now = System.currentTimeMillis();
        Process kill = new ProcessBuilder("kill", "-" + name, pid).start();
        assertThat(kill.waitFor(10, TimeUnit.SECONDS)).isTrue();
        assertThat(kill.exitValue()).isZero();
        return now;
    }

    private void assertAllAreTold(long since, long limitMillis, String cause)
            throws InterruptedException {
        long pid = ranks.get(1).process().pid();
        RankFailedException reported = (RankFailedException) atServer.poll(20, TimeUnit.SECONDS);
        assertThat(reported.rank()).isEqualTo(1);
        assertThat(reported.pid()).isEqualTo(pid);
        assertThat(reported.step()).isNotNegative();
        assertThat(reported.operation())
                .isEqualTo("in phase 'training', before its first collective");
        assertThat(reported.causeText()).isEqualTo(cause);
        for (int survivor : new int[] {0, 2}) {
            JavaProcess.Result result = ranks.get(survivor).await();
            assertThat(result.values("type")).containsExactly("RankFailedException");
            assertThat(result.values("rank")).containsExactly("1");
            assertThat(result.values("pid")).containsExactly(Long.toString(pid));
            assertThat(result.values("message")).containsExactly(reported.getMessage());
            assertThat(Long.parseLong(result.values("at").get(0)) - since)
                    .as("milliseconds until rank %d knew", survivor)
                    .isBetween(0L, limitMillis);
        }
    }

    @Test
    void killedRankIsKnownWithinASecond() throws Exception {
        start();
        assertAllAreTold(signal("KILL", 1), 1000, "it vanished without a word");
    }

    @Test
    void stoppedRankIsKnownWithinSixSeconds() throws Exception {
        start();
        assertAllAreTold(
                signal("STOP", 1),
                6000,
                "no heartbeat for more than 5000 ms: it is stopped, starved or cut off");
    }
}
