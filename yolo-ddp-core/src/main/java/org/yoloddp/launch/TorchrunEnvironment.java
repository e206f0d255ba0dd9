package org.yoloddp.launch;

import java.util.List;
import java.util.Map;

/** Workers of torchrun, of a PyTorchJob of Kubeflow's, and of {@code yolo-ddp launch}. */
public final class TorchrunEnvironment implements ClusterEnvironment {

    /** Creates it. */
    public TorchrunEnvironment() {}

    @Override
    public String name() {
        return "torchrun";
    }

    @Override
    public int order() {
        return 10;
    }

    @Override
    public Detection detect(Map<String, String> environment) {
        Variables variables = new Variables(environment);
        boolean ours = variables.has(Launcher.STORE_VARIABLE);
        boolean elastic = variables.has("TORCHELASTIC_RUN_ID");
        boolean operator = variables.has("PET_NNODES") || variables.has("PET_MASTER_ADDR");
        if (!ours && !elastic && !operator) {
            return Detection.no(
                    this,
                    Launcher.STORE_VARIABLE + ", TORCHELASTIC_RUN_ID and PET_NNODES are not set");
        }
        List<String> missing = variables.missing("RANK", "WORLD_SIZE");
        if (!missing.isEmpty()) {
            // A launcher's own process has some of them as well.
            return Detection.no(this, String.join(" and ", missing) + " are not set");
        }
        return Detection.yes(
                this,
                variables.show(
                        Launcher.STORE_VARIABLE, "TORCHELASTIC_RUN_ID", "RANK", "WORLD_SIZE"),
                ExplicitEnvironment.place(variables));
    }
}
