package org.yoloddp.ddp;

import ai.djl.nn.Block;
import ai.djl.nn.norm.Dropout;
import ai.djl.util.Pair;
import java.util.ArrayList;
import java.util.List;

/**
 * Seeds what is random in a rank's forward, anew at each step, from the training's seed, the rank
 * and the step. Within a step the streams go on from one forward to the next.
 */
public final class StepRandomness {

    private final List<RankDropout> dropouts = new ArrayList<>();
    private final List<String> shared = new ArrayList<>();
    private final long seed;
    private final int rank;

    private StepRandomness(long seed, int rank) {
        this.seed = seed;
        this.rank = rank;
    }

    /**
     * Finds what is random in a block.
     *
     * @param block the rank's block
     * @param seed the seed of the training
     * @param rank the rank
     * @return what seeds it
     */
    public static StepRandomness of(Block block, long seed, int rank) {
        StepRandomness found = new StepRandomness(seed, rank);
        found.collect("", block);
        return found;
    }

    private void collect(String name, Block block) {
        if (block instanceof RankDropout dropout) {
            dropouts.add(dropout);
        } else if (block instanceof Dropout) {
            shared.add(name);
        }
        for (Pair<String, Block> child : block.getChildren()) {
            collect(
                    name.isEmpty() ? child.getKey() : name + "." + child.getKey(),
                    child.getValue());
        }
    }

    /**
     * Starts the streams of a step. Call it before the step's first forward.
     *
     * @param step the number of the step
     */
    public void begin(long step) {
        for (int i = 0; i < dropouts.size(); i++) {
            dropouts.get(i).reseed(mix(mix(mix(mix(seed) + rank) + step) + i));
        }
    }

    /**
     * Returns the blocks that draw from libtorch's generator, which all threads of this JVM share:
     * with them a training whose ranks are threads is not reproducible.
     *
     * @return the paths of DJL's dropout blocks
     */
    public List<String> sharedGeneratorBlocks() {
        return List.copyOf(shared);
    }

    /** SplitMix64's finalizer: neighbouring inputs give unrelated outputs in every bit. */
    private static long mix(long value) {
        long z = value + 0x9e3779b97f4a7c15L;
        z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
        z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
        return z ^ (z >>> 31);
    }
}
