package org.yoloddp.launch;

import java.util.Map;
import java.util.Optional;

/** Processes of {@code mpirun}: OpenMPI's variables, or those of PMI (MPICH, Intel MPI). */
public final class MpiEnvironment implements ClusterEnvironment {

    /** Creates it. */
    public MpiEnvironment() {}

    @Override
    public String name() {
        return "MPI";
    }

    @Override
    public int order() {
        return 40;
    }

    @Override
    public Detection detect(Map<String, String> environment) {
        Variables variables = new Variables(environment);
        Optional<Integer> rank = variables.firstNumber("OMPI_COMM_WORLD_RANK", "PMI_RANK");
        Optional<Integer> size = variables.firstNumber("OMPI_COMM_WORLD_SIZE", "PMI_SIZE");
        if (rank.isEmpty() || size.isEmpty()) {
            return Detection.no(
                    this, "neither OMPI_COMM_WORLD_RANK and _SIZE nor PMI_RANK and _SIZE are set");
        }
        int localSize =
                variables.firstNumber("OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS").orElse(0);
        // mpirun tells nobody where rank 0 is; on one host it is here.
        boolean oneHost = localSize == size.get();
        ProcessPlace place =
                new ProcessPlace(
                        rank.get(),
                        size.get(),
                        variables
                                .firstNumber("OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID")
                                .orElse(0),
                        localSize,
                        variables.text("MASTER_ADDR").orElse(oneHost ? "127.0.0.1" : ""),
                        variables.port(),
                        variables
                                .text("PMIX_NAMESPACE")
                                .or(() -> variables.text("OMPI_MCA_ess_base_jobid"))
                                .orElse("default"),
                        0);
        return Detection.yes(
                this,
                variables.show(
                        "OMPI_COMM_WORLD_RANK",
                        "OMPI_COMM_WORLD_SIZE",
                        "OMPI_COMM_WORLD_LOCAL_RANK",
                        "PMI_RANK",
                        "PMI_SIZE",
                        "MPI_LOCALRANKID"),
                place);
    }
}
