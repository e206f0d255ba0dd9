package org.yoloddp.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import com.google.gson.Gson;
import com.google.gson.JsonObject;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Tag("process")
class BenchFaultsTest {

    private static final String CLEAN =
            ": 0 hangs, 0 orphans, 0 segments, 0 ports, 0 folders, 0 wrong ends";

    private final Output output = new Output();

    @BeforeEach
    void processesAreSeen() {
        assumeThat(MarkedProcesses.isPossible()).as("a system with /proc").isTrue();
    }

    @Test
    @Timeout(value = 2, unit = TimeUnit.MINUTES)
    void timesUntilSurvivorsKnowOfADeath() {
        int exitCode =
                output.run("bench", "faults", "--nproc=2", "--faults=KILL", "--turns=1", "--json");
        assertThat(exitCode).as(output.err()).isZero();
        JsonObject report = new Gson().fromJson(output.out(), JsonObject.class);
        assertThat(report.get("bench").getAsString()).isEqualTo("faults");
        JsonObject row = report.getAsJsonArray("rows").get(0).getAsJsonObject();
        assertThat(row.get("case").getAsString()).isEqualTo("2 ranks, kill -9, slowest survivor");
        assertThat(row.get("ours_ms").getAsDouble()).isBetween(0.0, 5000.0);
    }

    /** Short ones: memory that runs out, kill -9 of all ranks, and a job that restarts twice. */
    @Test
    @Timeout(value = 5, unit = TimeUnit.MINUTES)
    void jobsThatAreStruckEndWellAndLeaveNothing() {
        assertRoundsEndWell(3, 14);
    }

    @Tag("slow")
    @Test
    @Timeout(value = 40, unit = TimeUnit.MINUTES)
    void fiftyJobsThatAreStruckEndWellAndLeaveNothing() {
        assertRoundsEndWell(50, 100);
    }

    private void assertRoundsEndWell(int rounds, int seed) {
        int exitCode = output.run("bench", "faults", "--rounds=" + rounds, "--seed=" + seed);
        assertThat(exitCode).as(output.out() + output.err()).isZero();
        List<String> lines = output.out().lines().toList();
        assertThat(lines).hasSize(rounds + 1);
        assertThat(lines.get(rounds)).isEqualTo(rounds + " rounds" + CLEAN);
    }
}
