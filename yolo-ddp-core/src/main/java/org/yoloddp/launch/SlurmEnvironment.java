package org.yoloddp.launch;

import java.util.List;
import java.util.Map;

/**
 * Tasks of SLURM's {@code srun}. Rank 0 is on the first node of the list unless MASTER_ADDR is set.
 */
public final class SlurmEnvironment implements ClusterEnvironment {

    private static final int FIRST_PORT = 20_000;
    private static final int PORTS = 20_000;

    /** Creates it. */
    public SlurmEnvironment() {}

    @Override
    public String name() {
        return "SLURM";
    }

    @Override
    public int order() {
        return 30;
    }

    @Override
    public Detection detect(Map<String, String> environment) {
        Variables variables = new Variables(environment);
        List<String> missing = variables.missing("SLURM_PROCID", "SLURM_NTASKS");
        if (!missing.isEmpty()) {
            return Detection.no(this, String.join(" and ", missing) + " not set");
        }
        if (!variables.has("SLURM_STEP_ID") && !variables.has("SLURM_STEPID")) {
            return Detection.no(this, "SLURM_STEP_ID is not set: started by sbatch, not by srun");
        }
        int size = variables.number("SLURM_NTASKS");
        String nodes =
                variables
                        .text("SLURM_STEP_NODELIST")
                        .or(() -> variables.text("SLURM_NODELIST"))
                        .or(() -> variables.text("SLURM_JOB_NODELIST"))
                        .orElse("");
        String master =
                variables
                        .text("MASTER_ADDR")
                        .orElseGet(() -> nodes.isEmpty() ? "" : NodeList.expand(nodes).get(0));
        String job = variables.text("SLURM_JOB_ID").orElse("default");
        int port =
                variables
                        .optionalNumber("MASTER_PORT")
                        .orElseGet(() -> port(variables.number("SLURM_JOB_ID", 0)));
        int node = variables.number("SLURM_NODEID", 0);
        ProcessPlace place =
                new ProcessPlace(
                        variables.number("SLURM_PROCID"),
                        size,
                        variables.number("SLURM_LOCALID", 0),
                        tasksOfNode(variables, node),
                        master,
                        port,
                        "slurm-" + job + "-" + variables.text("SLURM_STEP_ID").orElse("0"),
                        variables.number("SLURM_RESTART_COUNT", 0));
        return Detection.yes(
                this,
                variables.show("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID")
                        + (nodes.isEmpty() ? "" : ", nodes " + nodes),
                place);
    }

    /** Jobs that share a node get different ports. */
    private static int port(int job) {
        return FIRST_PORT + Math.floorMod(job, PORTS);
    }

    /** Reads lists such as {@code 2(x3),1}. */
    private static int tasksOfNode(Variables variables, int node) {
        String counts =
                variables
                        .text("SLURM_STEP_TASKS_PER_NODE")
                        .or(() -> variables.text("SLURM_TASKS_PER_NODE"))
                        .orElse("");
        List<Integer> tasks = NodeList.counts(counts);
        return node < tasks.size() ? tasks.get(node) : 0;
    }
}
