package org.yoloddp.yolo;

import java.util.SplittableRandom;

/** Hands out one seed for each parameter, in the order of construction. */
final class Seeds {

    private final SplittableRandom random;

    Seeds(long seed) {
        random = new SplittableRandom(seed);
    }

    long next() {
        return random.nextLong();
    }
}
