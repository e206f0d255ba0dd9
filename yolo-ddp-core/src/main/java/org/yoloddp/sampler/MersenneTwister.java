package org.yoloddp.sampler;

/**
 * MT19937, the generator behind PyTorch's CPU streams.
 *
 * <p>Only the low 32 bits of the seed count, as there.
 */
final class MersenneTwister {

    private static final int SIZE = 624;
    private static final int SHIFT = 397;
    private static final int UPPER = 0x80000000;
    private static final int LOWER = 0x7fffffff;
    private static final int TWIST = 0x9908b0df;

    private final int[] state = new int[SIZE];
    private int next = SIZE;

    MersenneTwister(long seed) {
        state[0] = (int) seed;
        for (int i = 1; i < SIZE; i++) {
            state[i] = 1812433253 * (state[i - 1] ^ state[i - 1] >>> 30) + i;
        }
    }

    /** The next 32 bits. */
    int nextInt() {
        if (next == SIZE) {
            refill();
        }
        int y = state[next++];
        y ^= y >>> 11;
        y ^= y << 7 & 0x9d2c5680;
        y ^= y << 15 & 0xefc60000;
        return y ^ y >>> 18;
    }

    /** A number from 0 to bound − 1, slightly biased as in PyTorch. */
    int below(int bound) {
        return Integer.remainderUnsigned(nextInt(), bound);
    }

    /** A number in [0, 1) with 53 random bits. */
    double nextDouble() {
        long high = nextInt() & 0xffffffffL;
        long low = nextInt() & 0xffffffffL;
        return ((high << 32 | low) & (1L << 53) - 1) * 0x1.0p-53;
    }

    /** The numbers 0 to n − 1 in random order: torch.randperm. */
    int[] permutation(int n) {
        int[] values = new int[n];
        for (int i = 0; i < n; i++) {
            values[i] = i;
        }
        for (int i = 0; i < n - 1; i++) {
            int other = i + below(n - i);
            int value = values[i];
            values[i] = values[other];
            values[other] = value;
        }
        return values;
    }

    private void refill() {
        for (int i = 0; i < SIZE; i++) {
            int y = state[i] & UPPER | state[(i + 1) % SIZE] & LOWER;
            state[i] = state[(i + SHIFT) % SIZE] ^ y >>> 1 ^ ((y & 1) == 0 ? 0 : TWIST);
        }
        next = 0;
    }
}
