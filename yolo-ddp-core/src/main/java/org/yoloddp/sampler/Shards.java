package org.yoloddp.sampler;

/** Deals a list out to the ranks, as PyTorch's DistributedSampler does. */
final class Shards {

    private Shards() {}

    /**
     * The share of a rank: every worldSize-th entry from its own number on. The list is padded to
     * equal shares by repeating it from its start, or cut.
     */
    static int[] share(int[] all, int rank, int worldSize, boolean dropLast) {
        int length =
                dropLast
                        ? all.length / worldSize
                        : (int) (((long) all.length + worldSize - 1) / worldSize);
        int[] share = new int[length];
        for (int i = 0; i < length; i++) {
            share[i] = all[(int) ((rank + (long) i * worldSize) % all.length)];
        }
        return share;
    }

    /** The share of a rank, of a list that is neither padded nor cut. */
    static int[] unpadded(int[] all, int rank, int worldSize) {
        int length = (all.length - rank + worldSize - 1) / worldSize;
        int[] share = new int[Math.max(0, length)];
        for (int i = 0; i < share.length; i++) {
            share[i] = all[rank + i * worldSize];
        }
        return share;
    }
}
