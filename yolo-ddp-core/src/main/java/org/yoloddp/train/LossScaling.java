package org.yoloddp.train;

import org.jspecify.annotations.Nullable;
import org.yoloddp.amp.GradScaler;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.ReduceOp;
import org.yoloddp.torch.StateDict;
import org.yoloddp.torch.TensorList;

/**
 * The loss scale of one rank, and which steps are skipped; or nothing of it, if the loss isn't
 * scaled. The ranks agree on what is skipped: averaging spreads an infinity or NaN to all of them.
 * Where gradients are compressed or their optimizer state is sharded it might not, and they ask
 * each other.
 */
final class LossScaling implements AutoCloseable {

    private final Communicator communicator;
    private final @Nullable GradScaler scaler;
    private final TensorList gradients;
    private final @Nullable CommBuffer flag;
    private boolean asking;
    private long skipped;

    private LossScaling(
            Communicator communicator,
            @Nullable GradScaler scaler,
            TensorList gradients,
            @Nullable CommBuffer flag) {
        this.communicator = communicator;
        this.scaler = scaler;
        this.gradients = gradients;
        this.flag = flag;
    }

    /** Looks the gradients up, which have to be bound. */
    static LossScaling create(TrainingSettings settings, RankContext rank, StateDict state) {
        Communicator all = rank.communicator();
        GradScaler scaler = settings.precision().lossScaling().map(GradScaler::new).orElse(null);
        boolean asks = scaler != null && all.size() > 1 && mayDiffer(settings);
        return new LossScaling(
                all,
                scaler,
                TensorList.ofGradients(
                        state.trainable().stream().map(StateDict.Entry::array).toList()),
                asks ? all.allocate(DType.I32, 1) : null);
    }

    private static boolean mayDiffer(TrainingSettings settings) {
        return settings.reduction().shardOptimizerState()
                || settings.reduction().communicationHook().isPresent();
    }

    /** What the loss is multiplied by. */
    double factor() {
        return scaler == null ? 1 : scaler.scale();
    }

    /** The present scale; NaN if the loss isn't scaled. */
    double scale() {
        return scaler == null ? Double.NaN : scaler.scale();
    }

    /** The number of steps skipped so far. */
    long skipped() {
        return skipped;
    }

    /**
     * Takes the scale off the reduced gradients and moves it on; once per step.
     *
     * @return whether this step has to be skipped, the same on all ranks
     */
    boolean unscale() {
        if (scaler == null) {
            return false;
        }
        boolean skip = agree(scaler.unscale(gradients));
        if (skip) {
            skipped++;
        }
        scaler.update(skip);
        return skip;
    }

    private boolean agree(boolean found) {
        if (flag == null) {
            return found;
        }
        asking = true;
        flag.bytes().asIntBuffer().put(0, found ? 1 : 0);
        communicator
                .allReduce(flag, ReduceOp.MAX, ComputeStream.HOST, "gradients that aren't finite")
                .await(communicator.deadline());
        asking = false;
        return flag.bytes().asIntBuffer().get(0) > 0;
    }

    /**
     * After a failure other ranks may still use the flag, which is left to the communicator then.
     */
    @Override
    public void close() {
        gradients.close();
        if (flag != null && !asking) {
            flag.close();
        }
    }
}
