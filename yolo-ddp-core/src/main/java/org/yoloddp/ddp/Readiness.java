package org.yoloddp.ddp;

import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;

/**
 * Which gradients of a step are there, and so which buckets are full. Parameters are numbered in
 * model order. Guarded by the reducer's lock.
 *
 * <p>A hook is called before its gradient is added to the bucket, so a gradient is there only once
 * the same thread has called for another.
 */
final class Readiness {

    private final BitSet used = new BitSet();
    private final BitSet computedLast = new BitSet();
    private final Map<Thread, Integer> adding = new HashMap<>();
    private final int[] order;
    private int observed;
    private int[] bucketOf;
    private int[] sizes = {};
    private int[] missing = {};
    private int full;
    private boolean armed;

    /**
     * @param bucketOf the bucket of each parameter
     */
    Readiness(int[] bucketOf) {
        this.order = new int[bucketOf.length];
        this.bucketOf = bucketOf;
        layOut(bucketOf);
    }

    /** Goes over to another layout, between two steps. */
    void layOut(int[] buckets) {
        bucketOf = buckets;
        sizes = new int[Arrays.stream(buckets).max().orElse(-1) + 1];
        for (int bucket : buckets) {
            sizes[bucket]++;
        }
        reset();
    }

    /** Forgets the step. */
    void reset() {
        armed = false;
        used.clear();
        observed = 0;
        restart();
    }

    /** Begins the last backward of a step: what it computes is final. */
    void arm() {
        armed = true;
        restart();
    }

    /** Ends backward: what it has not computed stays as it is. */
    void disarm() {
        armed = false;
        adding.clear();
    }

    boolean armed() {
        return armed;
    }

    private void restart() {
        computedLast.clear();
        adding.clear();
        missing = sizes.clone();
        full = 0;
    }

    /**
     * Notes that a thread is about to add a parameter's gradient.
     *
     * @return false if it has been computed in the last backward before, so that its bucket may be
     *     on its way already
     */
    boolean computed(int parameter, Thread thread) {
        if (!used.get(parameter)) {
            used.set(parameter);
            order[observed++] = parameter;
        }
        if (!armed) {
            return true;
        }
        if (computedLast.get(parameter)) {
            return false;
        }
        computedLast.set(parameter);
        Integer before = adding.put(thread, parameter);
        if (before != null) {
            missing[bucketOf[before]]--;
            while (full < missing.length && missing[full] == 0) {
                full++;
            }
        }
        return true;
    }

    /** Returns how many of the first buckets are full without a gap. */
    int full() {
        return full;
    }

    /** Returns which parameters any backward of the step has computed. */
    BitSet used() {
        return used;
    }

    /** Returns those parameters in the order in which they were first computed. */
    int[] order() {
        return Arrays.copyOf(order, observed);
    }

    /** Tells whether the order is that of the given parameters, as far as they were computed. */
    boolean follows(int[] expected) {
        int at = 0;
        for (int parameter : expected) {
            if (used.get(parameter) && order[at++] != parameter) {
                return false;
            }
        }
        return true;
    }
}
