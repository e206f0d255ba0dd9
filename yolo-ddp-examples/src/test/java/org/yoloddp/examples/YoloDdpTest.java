package org.yoloddp.examples;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class YoloDdpTest {

    private final Output output = new Output();

    @Test
    void unknownOptionIsWrongUse() {
        assertThat(output.run("doctor", "--frobnicate")).isEqualTo(2);
        assertThat(output.errLines())
                .containsExactly(
                        "error: UnmatchedArgumentException: Unknown option: '--frobnicate';"
                                + " 'yolo-ddp doctor --help' lists the options");
    }

    @Test
    void unknownCommandIsWrongUse() {
        assertThat(output.run("fly")).isEqualTo(2);
        assertThat(output.errLines())
                .containsExactly(
                        "error: UnmatchedArgumentException: Unmatched argument at index 0: 'fly';"
                                + " 'yolo-ddp --help' lists the options");
    }

    @Test
    void noCommandIsWrongUse() {
        assertThat(output.run()).isEqualTo(2);
        assertThat(output.errLines())
                .containsExactly(
                        "error: ParameterException: There is no command; give one of those that"
                                + " --help lists; 'yolo-ddp --help' lists the options");
    }

    @Test
    void everyCommandHasHelp() {
        for (String command :
                new String[] {
                    "quickstart",
                    "train",
                    "val",
                    "detect",
                    "launch",
                    "doctor",
                    "bench",
                    "bench step"
                }) {
            Output help = new Output();
            assertThat(help.run((command + " --help").split(" "))).isZero();
            assertThat(help.out()).startsWith("Usage: yolo-ddp " + command).contains("--verbose");
            assertThat(help.err()).isEmpty();
        }
    }

    @Test
    void helpListsTheCommands() {
        assertThat(output.run("--help")).isZero();
        assertThat(output.out()).contains("Usage: yolo-ddp", "doctor");
    }
}
