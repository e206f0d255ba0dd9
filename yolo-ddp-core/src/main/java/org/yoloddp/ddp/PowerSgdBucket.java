package org.yoloddp.ddp;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.DType;
import org.yoloddp.ddp.GradientBucket.Slot;
import org.yoloddp.torch.FlatMatrix;
import org.yoloddp.torch.ForeignMemory;
import org.yoloddp.torch.TensorList;

/**
 * The gradients of one bucket, some of them approximated.
 *
 * <p>Two buffers are averaged. The first holds P of each matrix, then all gradients that are
 * averaged exactly and the tail; the second holds Q of each matrix. P and Q lie vector by vector,
 * that is transposed, so that P is Q Mᵀ, Q is P M and M is Pᵀ Q.
 *
 * <p>What the next step begins with is kept apart from what this step began with, so a skipped step
 * has changed nothing: errors in two lists that change places, Q in {@link #start}'s own arrays.
 */
final class PowerSgdBucket implements AutoCloseable {

    /** A gradient that is approximated, as a matrix in the order of its memory. */
    private record Approximated(
            String parameter, float[][] begin, FlatMatrix matrix, FlatMatrix p, FlatMatrix q) {}

    private final PowerSgd options;
    private final HookWorks works;
    private final RandomMatrices random;
    private final String tag;
    private final List<Approximated> matrices = new ArrayList<>();
    private final long sentCount;
    private @Nullable Exchange exchange;

    
}
