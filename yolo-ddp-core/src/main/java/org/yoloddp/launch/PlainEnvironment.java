package org.yoloddp.launch;

import java.util.Map;

/** A process that nobody has told anything: one rank. */
public final class PlainEnvironment implements ClusterEnvironment {

    static final String NAME = "plain";

    /** Creates it. */
    public PlainEnvironment() {}

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public int order() {
        return 60;
    }

    @Override
    public Detection detect(Map<String, String> environment) {
        return Detection.yes(
                this,
                "no variable of a launcher or cluster is set",
                new ProcessPlace(0, 1, 0, 1, "", ProcessPlace.DEFAULT_PORT, "default", 0));
    }
}
