package org.yoloddp.examples;

import java.time.Duration;
import java.util.Locale;

/** What {@code doctor --gpu} tries, each in processes of its own. */
enum GpuPart {
    /** A training on one GPU learns what the CPU learns. */
    TRAINING(1),
    /** Mixed precision on one GPU: float16 with a loss scale. */
    AMP(1),
    /** How long a step of a real model takes. */
    STEP(1),
    /** A collective waits for kernels that write late, and so does who reads its result. */
    STREAM_ORDER(2),
    /** Several ranks train one model. */
    RANKS(2),
    /** All-reduce by size, every element checked. */
    BANDWIDTH(2),
    /** A rank that hangs is known to the others, who end what NCCL is doing. */
    HUNG_PEER(2);

    /** Loading all kernels of a CUDA libtorch takes a minute on a slow disk. */
    static final Duration LIMIT = Duration.ofMinutes(8);

    private final int ranks;

    GpuPart(int ranks) {
        this.ranks = ranks;
    }

    /** How many processes take part. */
    int ranks() {
        return ranks;
    }

    /** Its name on the command line and in the report. */
    String text() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
}
