package org.yoloddp.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

@Tag("process")
@Timeout(60)
@EnabledOnOs(value = OS.LINUX, disabledReason = "the workers are shell scripts")
class LaunchCommandTest {

    @TempDir private Path folder;

    private final Output output = new Output();

    @Test
    void launchesAnyCommandBehindTwoDashes() {
        assertThat(
                        output.run(
                                "launch",
                                "--nproc_per_node=2",
                                "--max-restarts",
                                "1",
                                "--",
                                "sh",
                                "-c",
                                "echo \"$1 of $WORLD_SIZE\"",
                                "--",
                                "--tee"))
                .as(output.err())
                .isZero();
        assertThat(output.out().lines())
                .containsExactlyInAnyOrder("[rank 0] --tee of 2", "[rank 1] --tee of 2");
    }

    @Test
    void launchesItsOwnCommands() {
        assertThat(output.run("launch", "--nproc-per-node=2", "val", "--help"))
                .as(output.err())
                .isZero();
        assertThat(output.out().lines())
                .filteredOn(line -> line.contains("Usage: yolo-ddp val"))
                .hasSize(2);
    }

    @Test
    void failureEndsWithOneLineThatNamesTheRootCause() {
        String script = "[ $RANK = 1 ] && { echo 'no such sample' >&2; exit 3; }; exec sleep 60";
        assertThat(
                        output.run(
                                "launch",
                                "--nproc-per-node=2",
                                "--log-dir=" + folder,
                                "--rdzv-id=job",
                                "-r=3",
                                "--",
                                "sh",
                                "-c",
                                script))
                .isEqualTo(1);
        assertThat(output.errLines()).hasSize(1);
        assertThat(output.err())
                .matches(
                        "error: WorkerFailedException: rank 1 \\(process \\d+ on \\S+\\) ended with"
                                + " exit code 3; last error line: no such sample; log file: \\Q"
                                + folder
                                + "\\E/job/generation_0/rank_1/stderr.log\n");
    }

    @Test
    void wrongUseOfTheOwnCommandIsFoundBeforeItStarts() {
        assertThat(output.run("launch", "--nproc-per-node=2", "train", "--epochs=2")).isEqualTo(2);
        assertThat(output.errLines())
                .containsExactly(
                        "error: MissingParameterException: Missing required option:"
                                + " '--data=<data>'; 'yolo-ddp train --help' lists the options");
    }

    @Test
    void wrongUseThatARankFindsIsWrongUse() {
        assertThat(output.run("launch", "train", "--data=" + folder, "--device=tpu", "--epochs=1"))
                .isEqualTo(2);
        assertThat(output.err())
                .contains("error: ConfigurationException: the device 'tpu'")
                .containsPattern(
                        "error: WorkerFailedException: rank 0 \\(process \\d+ on \\S+\\) ended with"
                                + " exit code 2; last error line: ConfigurationException: the"
                                + " device 'tpu' is neither 'cpu' nor numbers of GPUs such as '0'"
                                + " or '0,1'\n$");
    }

    @Test
    void unknownCommandIsWrongUse() {
        assertThat(output.run("launch", "python", "train.py")).isEqualTo(2);
        assertThat(output.err())
                .startsWith(
                        "error: ParameterException: 'python' is no command of yolo-ddp to launch;"
                                + " there are bench, ")
                .endsWith(
                        "; or put -- before a command of your own; 'yolo-ddp launch --help' lists"
                                + " the options\n");
    }

    @Test
    void noCommandIsWrongUse() {
        assertThat(output.run("launch", "--standalone")).isEqualTo(2);
        assertThat(output.errLines())
                .containsExactly(
                        "error: ParameterException: There is no command to launch; give one of"
                                + " yolo-ddp's, or -- and any other; 'yolo-ddp launch --help' lists"
                                + " the options");
    }

    @Test
    void ownCommandKeepsTheOptionsOfThisJvmButNoDebugger() {
        assertThat(
                        OwnCommand.command(
                                "/jdk/bin/java",
                                List.of(
                                        "-Xmx1g",
                                        "-agentlib:jdwp=server=y,address=5005",
                                        "-Dyoloddp.terminal=true",
                                        "-Da=b"),
                                "lib/*",
                                List.of("train", "--data", "a b")))
                .containsExactly(
                        "/jdk/bin/java",
                        "-Xmx1g",
                        "-Da=b",
                        "-Dyoloddp.terminal=false",
                        "-cp",
                        "lib/*",
                        "org.yoloddp.examples.YoloDdp",
                        "train",
                        "--data",
                        "a b");
    }
}
