package org.yoloddp.ddp;

import ai.djl.ndarray.NDArray;
import java.util.BitSet;
import java.util.List;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.torch.StateDict;
import org.yoloddp.torch.TakenGradients;

/**
 * The gradients of the only rank: nobody else reads them, so they need not lie in buckets, and
 * autograd's own are taken over. For a model of some 7 million parameters that saves a tenth of a
 * gigabyte of memory traffic a step.
 *
 * <p>What backward leaves without a gradient is unused, which is allowed here, since no other rank
 * can be misled.
 */
final class LocalGradients implements Gradients {

    private static final Logger LOG = LoggerFactory.getLogger(LocalGradients.class);

    private final StepChecks checks;
    private final TakenGradients taken;
    private Set<String> unused = Set.of();
    private volatile Thread user = Thread.currentThread();
    private volatile boolean midStep;
    private boolean inUse;

    /**
     * @param state with arrays that require gradients where they are trainable
     */
    LocalGradients(StateDict state) {
        checks = StepChecks.of(state, true, 0);
        List<NDArray> arrays = state.trainable().stream().map(StateDict.Entry::array).toList();
        taken = TakenGradients.of(arrays);
    }

    @Override
    public void zero() {
        user = Thread.currentThread();
        taken.release();
        midStep = true;
    }

    @Override
    public void arm() {
        user = Thread.currentThread();
        midStep = true;
    }

    @Override
    public StepFlags reduce(StepFlags local) {
        BitSet used = taken.collect();
        midStep = false;
        checks.check(used);
        unused = checks.unused(used);
        return local;
    }

    @Override
    public Set<String> unused() {
        return unused;
    }

    /** Without a hook nothing depends on it. */
    @Override
    public void lossScale(double scale) {}

    /** Without buckets there is nothing to watch. */
    @Override
    public void atStep(long step) {}

    /** There is no other rank to which it could spread unseen. */
    @Override
    public void requireFinite(boolean on) {}

    /** Without a hook there is no state. */
    @Override
    public void stepSkipped() {}

    @Override
    public long takeExposedNanos() {
        return 0;
    }

    @Override
    public boolean inUse() {
        return inUse;
    }

    /** Autograd may be writing: another thread's gradients are left to it. */
    @Override
    public void close() {
        if (midStep && user != Thread.currentThread() && user.isAlive()) {
            inUse = true;
            LOG.warn("the gradients are left behind: a thread is in the middle of a step");
            return;
        }
        taken.close();
    }
}
