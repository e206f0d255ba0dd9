package org.yoloddp.launch;

import java.util.Map;
import org.yoloddp.error.ConfigurationException;

/**
 * Variables that somebody has set by hand or by a script of their own: RANK, WORLD_SIZE,
 * MASTER_ADDR and MASTER_PORT, as PyTorch's {@code env://} reads them.
 */
public final class ExplicitEnvironment implements ClusterEnvironment {

    /** Creates it. */
    public ExplicitEnvironment() {}

    @Override
    public String name() {
        return "explicit";
    }

    @Override
    public int order() {
        return 20;
    }

    @Override
    public Detection detect(Map<String, String> environment) {
        Variables variables = new Variables(environment);
        if (!variables.has("WORLD_SIZE")) {
            return Detection.no(this, "WORLD_SIZE is not set");
        }
        if (variables.number("WORLD_SIZE") > 1 && !variables.has("RANK")) {
            // Such as a service that has inherited one of them: that is a mistake, not a world.
            throw new ConfigurationException(
                    "WORLD_SIZE is "
                            + variables.number("WORLD_SIZE")
                            + ", but RANK is not set: set both, or unset WORLD_SIZE");
        }
        return Detection.yes(
                this,
                variables.show("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"),
                place(variables));
    }

    /** Reads torchrun's names. */
    static ProcessPlace place(Variables variables) {
        int size = variables.number("WORLD_SIZE");
        int rank = variables.number("RANK", 0);
        int localSize = variables.number("LOCAL_WORLD_SIZE", size == 1 ? 1 : 0);
        return new ProcessPlace(
                rank,
                size,
                variables.number("LOCAL_RANK", 0),
                localSize,
                variables.text("MASTER_ADDR").orElse(""),
                variables.port(),
                variables.job(),
                variables.generation());
    }
}
