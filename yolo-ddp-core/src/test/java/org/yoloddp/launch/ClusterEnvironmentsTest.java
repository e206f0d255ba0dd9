package org.yoloddp.launch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.yoloddp.error.ConfigurationException;

class ClusterEnvironmentsTest {

    private static String found(Map<String, String> environment) {
        return ClusterEnvironments.find(environment).describe();
    }

    @Test
    void plainProcessIsOneRank() {
        assertThat(found(Map.of("PATH", "/bin")))
                .isEqualTo(
                        "plain (no variable of a launcher or cluster is set): rank 0 of 1, local"
                                + " rank 0 of 1");
        assertThat(ClusterEnvironments.examine(Map.of()).stream().map(Detection::describe))
                .containsExactly(
                        "torchrun (YOLODDP_STORE, TORCHELASTIC_RUN_ID and PET_NNODES are not set)",
                        "explicit (WORLD_SIZE is not set)",
                        "SLURM (SLURM_PROCID and SLURM_NTASKS not set)",
                        "MPI (neither OMPI_COMM_WORLD_RANK and _SIZE nor PMI_RANK and _SIZE are"
                                + " set)",
                        "Kubernetes (JOB_COMPLETION_INDEX is not set)",
                        "plain (no variable of a launcher or cluster is set): rank 0 of 1, local"
                                + " rank 0 of 1");
    }

    @Test
    void workerOfTorchrun() {
        Map<String, String> environment =
                Map.ofEntries(
                        Map.entry("TORCHELASTIC_RUN_ID", "abc"),
                        Map.entry("TORCHELASTIC_RESTART_COUNT", "2"),
                        Map.entry("RANK", "3"),
                        Map.entry("WORLD_SIZE", "4"),
                        Map.entry("LOCAL_RANK", "1"),
                        Map.entry("LOCAL_WORLD_SIZE", "2"),
                        Map.entry("MASTER_ADDR", "node-0"),
                        Map.entry("MASTER_PORT", "1234"),
                        // srun may have started torchrun; the inner launcher counts.
                        Map.entry("SLURM_PROCID", "0"),
                        Map.entry("SLURM_NTASKS", "2"),
                        Map.entry("SLURM_STEP_ID", "0"));
        assertThat(found(environment))
                .isEqualTo(
                        "torchrun (TORCHELASTIC_RUN_ID is abc, RANK is 3, WORLD_SIZE is 4): rank 3"
                                + " of 4, local rank 1 of 2, store at node-0:1234");
        assertThat(ClusterEnvironments.find(environment).place().orElseThrow())
                .isEqualTo(new ProcessPlace(3, 4, 1, 2, "node-0", 1234, "abc", 2));
    }

    @Test
    void variablesSetByHand() {
        assertThat(
                        found(
                                Map.of(
                                        "RANK", "1",
                                        "WORLD_SIZE", " 2 ",
                                        "MASTER_ADDR", "10.0.0.1")))
                .isEqualTo(
                        "explicit (RANK is 1, WORLD_SIZE is 2, MASTER_ADDR is 10.0.0.1): rank 1 of"
                                + " 2, local rank 0, store at 10.0.0.1:29500");
    }

    @Test
    void taskOfSlurm() {
        assertThat(
                        found(
                                Map.of(
                                        "SLURM_PROCID", "5",
                                        "SLURM_NTASKS", "7",
                                        "SLURM_LOCALID", "1",
                                        "SLURM_NODEID", "2",
                                        "SLURM_STEP_ID", "0",
                                        "SLURM_JOB_ID", "41007",
                                        "SLURM_STEP_NODELIST", "gpu-[008-010,12],login",
                                        "SLURM_STEP_TASKS_PER_NODE", "2(x3),1")))
                .isEqualTo(
                        "SLURM (SLURM_PROCID is 5, SLURM_NTASKS is 7, SLURM_LOCALID is 1, nodes"
                                + " gpu-[008-010,12],login): rank 5 of 7, local rank 1 of 2, store"
                                + " at gpu-008:21007");
        assertThat(found(Map.of("SLURM_PROCID", "0", "SLURM_NTASKS", "2")))
                .as("sbatch's own script")
                .startsWith("plain");
    }

    @Test
    void processOfMpi() {
        assertThat(
                        found(
                                Map.of(
                                        "OMPI_COMM_WORLD_RANK", "2",
                                        "OMPI_COMM_WORLD_SIZE", "4",
                                        "OMPI_COMM_WORLD_LOCAL_RANK", "2",
                                        "OMPI_COMM_WORLD_LOCAL_SIZE", "4")))
                .isEqualTo(
                        "MPI (OMPI_COMM_WORLD_RANK is 2, OMPI_COMM_WORLD_SIZE is 4,"
                                + " OMPI_COMM_WORLD_LOCAL_RANK is 2): rank 2 of 4, local rank 2 of"
                                + " 4, store at 127.0.0.1:29500");
        assertThat(found(Map.of("PMI_RANK", "1", "PMI_SIZE", "2", "MASTER_ADDR", "a")))
                .isEqualTo(
                        "MPI (PMI_RANK is 1, PMI_SIZE is 2): rank 1 of 2, local rank 0, store at"
                                + " a:29500");
        assertThatThrownBy(() -> found(Map.of("PMI_RANK", "1", "PMI_SIZE", "2")))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "Nothing says where rank 0 is: set MASTER_ADDR to its host on all ranks.");
    }

    @Test
    void podOfAnIndexedJob() {
        assertThat(
                        found(
                                Map.of(
                                        "JOB_COMPLETION_INDEX", "1",
                                        "YOLODDP_JOB_COMPLETIONS", "3",
                                        "MASTER_ADDR", "train-0.train")))
                .isEqualTo(
                        "Kubernetes (JOB_COMPLETION_INDEX is 1, YOLODDP_JOB_COMPLETIONS is 3,"
                                + " MASTER_ADDR is train-0.train): rank 1 of 3, local rank 0 of 1,"
                                + " store at train-0.train:29500");
        assertThatThrownBy(() -> found(Map.of("JOB_COMPLETION_INDEX", "1")))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "JOB_COMPLETION_INDEX is 1, but YOLODDP_JOB_COMPLETIONS is not set: set it"
                                + " to the job's completions in the pod's template, and MASTER_ADDR"
                                + " to pod 0's name in its headless service");
    }

    @Test
    void whatMakesNoSenseIsRefused() {
        assertThatThrownBy(() -> found(Map.of("WORLD_SIZE", "two")))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("WORLD_SIZE is 'two', but has to be a whole number");
        assertThatThrownBy(() -> found(Map.of("WORLD_SIZE", "4")))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("WORLD_SIZE is 4, but RANK is not set: set both, or unset WORLD_SIZE");
        assertThatThrownBy(
                        () ->
                                found(
                                        Map.of(
                                                "WORLD_SIZE", "2",
                                                "RANK", "2",
                                                "MASTER_ADDR", "a")))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "Rank 2 of 2, local rank 0 of 0, cannot be: correct the variables of the"
                                + " environment.");
        assertThatThrownBy(
                        () ->
                                found(
                                        Map.of(
                                                "WORLD_SIZE", "2",
                                                "RANK", "1",
                                                "MASTER_ADDR", "a",
                                                "MASTER_PORT", "70000")))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("The port of the store is 70000, but has to be 1 to 65535");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "a | a",
                "a,b | a b",
                "n[1-3] | n1 n2 n3",
                "n[08-11,20] | n08 n09 n10 n11 n20",
                "n[1-2]x,m | n1x n2x m",
                "r[1-2]n[0-1] | r1n0 r1n1 r2n0 r2n1",
                "n[998-1001] | n998 n999 n1000 n1001"
            })
    void nodeListsAreWrittenOut(String list, String names) {
        assertThat(String.join(" ", NodeList.expand(list))).isEqualTo(names);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "n[1-3 | its brackets do not match",
                "n]1[ | its brackets do not match",
                "n[3-1] | '3-1' is no range",
                "n[1-999999999] | '1-999999999' is no range",
                "n[1-99999999999] | '1-99999999999' is too long",
                ", | it is empty"
            })
    void nodeListsThatAreNoneAreRefused(String list, String why) {
        assertThatThrownBy(() -> NodeList.expand(list))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "The list of nodes '"
                                + list
                                + "' cannot be read: "
                                + why
                                + ". Set MASTER_ADDR.");
    }
}
