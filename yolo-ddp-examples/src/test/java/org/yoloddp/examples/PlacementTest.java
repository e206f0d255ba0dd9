package org.yoloddp.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.yoloddp.DeviceChoice;
import org.yoloddp.error.ConfigurationException;

class PlacementTest {

    @Test
    void processAloneRunsAllRanks() {
        Placement alone = Placement.of(Map.of("WORLD_SIZE", "4"), true);
        assertThat(alone.launched()).isFalse();
        assertThat(alone.writes()).isTrue();
        assertThat(alone.world(3, null, DeviceChoice.cpu()).size()).isEqualTo(3);
    }

    @Test
    void onlyRankZeroOfLaunchedRanksWrites() {
        assertThat(Placement.of(Map.of("RANK", "0", "WORLD_SIZE", "2"), false).writes()).isTrue();
        Placement second = Placement.of(Map.of("RANK", "1", "WORLD_SIZE", "2"), false);
        assertThat(second.launched()).isTrue();
        assertThat(second.writes()).isFalse();
    }

    @Test
    void launchedRankCannotBeSeveralThreads() {
        assertThatThrownBy(
                        () ->
                                Placement.of(Map.of("RANK", "1", "WORLD_SIZE", "2"), false)
                                        .world(2, null, DeviceChoice.cpu()))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "--nproc is 2, but this process is one rank of those that a launcher has"
                                + " started: say launch --nproc-per-node 2, or unset RANK and"
                                + " WORLD_SIZE");
    }

    @Test
    void endpointIsForLaunchedRanks() {
        assertThatThrownBy(
                        () -> Placement.of(Map.of(), false).world(1, "host:1", DeviceChoice.cpu()))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "--rdzv-endpoint is host:1, but this process is no rank that a launcher has"
                                + " started: RANK and WORLD_SIZE are not set");
        assertThatThrownBy(
                        () ->
                                Placement.of(Map.of("RANK", "1", "WORLD_SIZE", "2"), false)
                                        .world(1, "no port", DeviceChoice.cpu()))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("The endpoint of the rendezvous is 'no port', but has to be host:port");
    }

    @Test
    void rankThatIsNoNumberIsNamed() {
        assertThatThrownBy(() -> Placement.of(Map.of("RANK", "one", "WORLD_SIZE", "2"), false))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("RANK is 'one', but it is a number from 0; a launcher sets it");
    }

    private static final Map<String, String> SLURM =
            Map.of(
                    "SLURM_PROCID", "1",
                    "SLURM_NTASKS", "2",
                    "SLURM_LOCALID", "1",
                    "SLURM_STEP_ID", "0",
                    "SLURM_JOB_ID", "77",
                    "SLURM_STEP_NODELIST", "n1",
                    "SLURM_STEP_TASKS_PER_NODE", "2");

    @Test
    void ranksOfClustersAreFound() {
        Placement slurm = Placement.of(SLURM, false);
        assertThat(slurm.launched()).isTrue();
        assertThat(slurm.writes()).isFalse();
        assertThat(slurm.found())
                .hasValueSatisfying(
                        text ->
                                assertThat(text)
                                        .startsWith("SLURM (SLURM_PROCID is 1")
                                        .contains("rank 1 of 2"));
        Placement mpi =
                Placement.of(
                        Map.of(
                                "OMPI_COMM_WORLD_RANK", "0",
                                "OMPI_COMM_WORLD_SIZE", "3",
                                "OMPI_COMM_WORLD_LOCAL_SIZE", "3"),
                        false);
        assertThat(mpi.launched()).isTrue();
        assertThat(mpi.writes()).isTrue();
        Placement pod =
                Placement.of(
                        Map.of(
                                "JOB_COMPLETION_INDEX", "2",
                                "YOLODDP_JOB_COMPLETIONS", "4",
                                "MASTER_ADDR", "job-0.job"),
                        false);
        assertThat(pod.rank()).isEqualTo(2);
        assertThat(pod.found()).hasValueSatisfying(t -> assertThat(t).startsWith("Kubernetes ("));
    }

    @Test
    void askingForThreadsWinsOverAClusterAndOneTaskIsNoRankOfIt() {
        assertThat(Placement.of(SLURM, true).launched()).isFalse();
        Map<String, String> one = new HashMap<>(SLURM);
        one.put("SLURM_PROCID", "0");
        one.put("SLURM_NTASKS", "1");
        one.put("SLURM_LOCALID", "0");
        one.put("SLURM_STEP_TASKS_PER_NODE", "1");
        assertThat(Placement.of(one, false).launched()).isFalse();
        // A batch script, of which sbatch starts one, is no task of srun.
        Map<String, String> script = new HashMap<>(SLURM);
        script.remove("SLURM_STEP_ID");
        assertThat(Placement.of(script, false).launched()).isFalse();
    }
}
