package org.yoloddp.nccl;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.yoloddp.rendezvous.JobToken;
import org.yoloddp.rendezvous.StoreOptions;
import org.yoloddp.rendezvous.StoreServer;
import org.yoloddp.testing.JavaProcess;

/** Two processes compare what they ask for: call by call, or by one hash per step. */
@Tag("process")
@Timeout(100)
@EnabledOnOs(value = OS.LINUX, architectures = "amd64")
class NcclFingerprintsTest {

    private static final int NEVER = 1000;

    @ParameterizedTest
    @ValueSource(ints = {100, NcclOptions.EVERY_STEP})
    void aMismatchInStep150IsNamedBeforeTheNextStepIsTaken(int detailedSteps) throws Exception {
        for (String output : run(200, 150, detailedSteps)) {
            assertThat(output)
                    .contains(
                            "CollectiveMismatchException: The ranks of group 'world' differ at"
                                    + " collective 301: rank 0 asked for allReduce(AVG, F32 x 64,"
                                    + " tag 'bucket 1'); rank 1 asked for allReduce(AVG, F32 x 64,"
                                    + " tag 'bucket 2'). All ranks");
            assertThat(output).containsAnyOf("optimized 149\n", "optimized 150\n");
        }
    }

    @Test
    void stepsThatAgreeGoOn() throws Exception {
        for (String output : run(300, NEVER, 0)) {
            assertThat(output).contains("done\noptimized 299\n");
        }
    }

    private static List<String> run(int steps, int wrongFrom, int detailedSteps) throws Exception {
        JobToken token = JobToken.random();
        List<String> outputs = new ArrayList<>();
        try (StoreServer store =
                StoreServer.start(
                        new InetSocketAddress(InetAddress.getLoopbackAddress(), 0),
                        token,
                        StoreOptions.defaults())) {
            List<JavaProcess.Running> ranks = new ArrayList<>();
            for (int rank = 0; rank < 2; rank++) {
                ranks.add(
                        JavaProcess.of(
                                        StepsOfRank.class,
                                        Integer.toString(rank),
                                        Integer.toString(store.address().getPort()),
                                        Integer.toString(steps),
                                        Integer.toString(wrongFrom))
                                .jvm(TestDouble.options().toArray(new String[0]))
                                .jvm("-XX:TieredStopAtLevel=1", "-Xmx256m")
                                .jvm("-D" + NcclOptions.DETAILED_STEPS + "=" + detailedSteps)
                                .env(JobToken.VARIABLE, token.secret())
                                .start());
            }
            for (JavaProcess.Running rank : ranks) {
                JavaProcess.Result result = rank.await();
                assertThat(result.exitCode()).as(result.output()).isZero();
                outputs.add(result.output());
            }
        }
        return outputs;
    }
}
