package org.yoloddp.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class DoctorTest {

    private final Output output = new Output();

    @Test
    @Tag("torch")
    void findsWhatTrainingNeeds() {
        assertThat(output.run("doctor")).as(output.out()).isZero();
        assertThat(output.out())
                .contains("Java", "cores", "memory", "libtorch", "OpenCV", "DJL", "GPUs")
                .endsWith("This machine can train.\n");
    }

    @Test
    void reportCountsAboveOneAsFaster() {
        assertThat(BenchReport.Row.against("step", 100, "rival", 125).ratio()).isEqualTo(1.25);
        assertThat(
                        new BenchReport(
                                        "step",
                                        Map.of(),
                                        List.of(BenchReport.Row.against("a", 10, "b", 12)))
                                .lines())
                .containsExactly("a: 10.0 ms, b 12.0 ms, ratio 1.20 (above 1: ours is faster)");
    }
}
