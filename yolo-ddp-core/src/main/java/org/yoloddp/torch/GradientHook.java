package org.yoloddp.torch;

import org.bytedeco.pytorch.TensorBase;
import org.bytedeco.pytorch.TensorTensorHook;
import org.jspecify.annotations.Nullable;

/**
 * Replaces the gradient of an intermediate result while backward runs.
 *
 * <p>Handles of tensors that are left to the garbage collector keep megabytes until it runs, so the
 * one that libtorch passes is closed here, and the one that it gets back as soon as the thread
 * comes to its next hook, by when libtorch has taken a handle of its own.
 */
abstract class GradientHook extends TensorTensorHook {

    private static final ThreadLocal<@Nullable TensorBase> RETURNED = new ThreadLocal<>();

    /** Returns what takes the gradient's place, as a new handle; must not throw. */
    abstract TensorBase changed(TensorBase gradient);

    @Override
    public final TensorBase call(TensorBase gradient) {
        TensorBase last = RETURNED.get();
        if (last != null) {
            last.close();
        }
        TensorBase next = changed(gradient);
        gradient.close();
        RETURNED.set(next);
        return next;
    }
}
