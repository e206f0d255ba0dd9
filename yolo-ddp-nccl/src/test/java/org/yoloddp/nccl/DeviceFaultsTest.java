package org.yoloddp.nccl;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.launch.LaunchReport;
import org.yoloddp.launch.LaunchReport.Outcome;
import org.yoloddp.launch.Launcher;

/**
 * A rank that waits on its device, inside a collective that a dead or stopped rank never joins and
 * that NCCL would wait for without end: it is freed in time, and told who failed.
 */
@Timeout(60)
@EnabledOnOs(value = OS.LINUX, architectures = "amd64")
class DeviceFaultsTest {

    @TempDir private Path folder;

    @Test
    @Tag("process")
    void deadRankIsNamed() throws Exception {
        check("KILL", 1000, "it vanished without a word");
    }

    @Test
    @Tag("slow")
    void stoppedRankIsNamed() throws Exception {
        check(
                "STOP",
                6500,
                "no heartbeat for more than 5000 ms: it is stopped, starved or cut off");
    }

    private void check(String signal, long limit, String why) throws Exception {
        ByteArrayOutputStream console = new ByteArrayOutputStream();
        LaunchReport report =
                Launcher.builder()
                        .setCommand(TestDouble.command(RoutedRank.class, folder.toString(), signal))
                        .optProcesses(3)
                        .addEnvironment("YOLODDP_TEST_DOUBLE_TRANSPORT", "p2p")
                        .optConsole(console, console)
                        .build()
                        .run();
        String log = console.toString(StandardCharsets.UTF_8);
        assertThat(report.outcome()).as(log).isEqualTo(Outcome.FAILED);
        assertThat(report.rootCause().orElseThrow().rank()).isEqualTo(1);
        for (int rank : new int[] {0, 2}) {
            List<String> told = Files.readAllLines(folder.resolve("told." + rank));
            assertThat(Long.parseLong(told.get(0))).as(log).isBetween(0L, limit);
            assertThat(told.get(1)).isEqualTo("1");
            assertThat(told.get(2))
                    .startsWith("Rank 1 (process ")
                    .contains("failed at step 7, in phase 'training', ")
                    .contains(why);
        }
    }
}
