package org.yoloddp.launch;

import java.util.List;
import java.util.Map;
import org.yoloddp.error.ConfigurationException;

/**
 * Pods of an indexed Job of Kubernetes: JOB_COMPLETION_INDEX is the rank. The number of pods is not
 * among Kubernetes' own variables, so YOLODDP_JOB_COMPLETIONS has to be set in the pod's template,
 * beside MASTER_ADDR, the name of pod 0 in the job's headless service.
 */
public final class KubernetesEnvironment implements ClusterEnvironment {

    private static final String SIZE = "YOLODDP_JOB_COMPLETIONS";

    /** Creates it. */
    public KubernetesEnvironment() {}

    @Override
    public String name() {
        return "Kubernetes";
    }

    @Override
    public int order() {
        return 50;
    }

    @Override
    public Detection detect(Map<String, String> environment) {
        Variables variables = new Variables(environment);
        if (!variables.has("JOB_COMPLETION_INDEX")) {
            return Detection.no(this, "JOB_COMPLETION_INDEX is not set");
        }
        List<String> missing = variables.missing(SIZE);
        if (!missing.isEmpty()) {
            throw new ConfigurationException(
                    "JOB_COMPLETION_INDEX is "
                            + variables.number("JOB_COMPLETION_INDEX")
                            + ", but "
                            + SIZE
                            + " is not set: set it to the job's completions in the pod's template,"
                            + " and MASTER_ADDR to pod 0's name in its headless service");
        }
        ProcessPlace place =
                new ProcessPlace(
                        variables.number("JOB_COMPLETION_INDEX"),
                        variables.number(SIZE),
                        0,
                        1,
                        variables.text("MASTER_ADDR").orElse(""),
                        variables.port(),
                        variables.text("JOB_NAME").orElse("default"),
                        0);
        return Detection.yes(
                this, variables.show("JOB_COMPLETION_INDEX", SIZE, "MASTER_ADDR"), place);
    }
}
