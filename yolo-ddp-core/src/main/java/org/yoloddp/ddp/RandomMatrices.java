package org.yoloddp.ddp;

import java.util.Random;

/** Where an approximation of a gradient begins. */
@FunctionalInterface
interface RandomMatrices {

    /**
     * Draws a vector, the same on all ranks.
     *
     * @param parameter the name of the gradient's parameter
     * @param step the number of the step
     * @param index which of the matrix's vectors
     * @param into to be filled
     */
    void draw(String parameter, long step, int index, float[] into);

    /** Standard normal numbers that depend on nothing but the arguments and a seed. */
    static RandomMatrices seeded(long seed) {
        return (parameter, step, index, into) -> {
            long mixed = 0;
            for (long part : new long[] {seed, parameter.hashCode(), step, index}) {
                mixed = (mixed ^ part) * 0x9e3779b97f4a7c15L;
                mixed ^= mixed >>> 32;
            }
            Random random = new Random(mixed);
            for (int i = 0; i < into.length; i++) {
                into[i] = (float) random.nextGaussian();
            }
        };
    }
}
