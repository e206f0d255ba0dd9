package org.yoloddp.torch;

import ai.djl.ndarray.NDArray;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorBase;
import org.bytedeco.pytorch.VoidTensorHook;
import org.jspecify.annotations.Nullable;

/**
 * Tells when backward has computed the gradient of a parameter.
 *
 * <p>libtorch calls on the thread that runs this part of backward: the caller's on a CPU, one of
 * its own per GPU. At that moment the gradient is whole, but not yet added to {@code .grad}; it is
 * once the same thread calls for another parameter, or backward has returned. A parameter that is
 * used several times in a graph is called for once per backward.
 */
public final class GradientHooks implements AutoCloseable {

    /** What is called. */
    @FunctionalInterface
    public interface Listener {

        /**
         * Called just before a gradient is added to a parameter's. What it throws never reaches
         * libtorch; {@link #failure} keeps the first.
         *
         * @param index the parameter's place in the list
         */
        void computed(int index);
    }

    /** What is called, and may look at what has been computed. */
    @FunctionalInterface
    public interface GradientListener {

        /**
         * Called just before a gradient is added to a parameter's. What it throws never reaches
         * libtorch; {@link #failure} keeps the first.
         *
         * @param index the parameter's place in the list
         * @param gradient what backward has computed; only during this call
         */
        void computed(int index, Computed gradient);
    }

    /** A gradient that backward has just computed. */
    public static final class Computed {

        private @Nullable TensorBase tensor;

        private Computed() {}

        /** Copies the elements; not the strides. */
        void copyTo(Tensor target) {
            // The same object by its other name: it owns nothing.
            target.copy_(new Tensor((Pointer) tensor));
        }
    }

    private final GradientListener listener;
    private final List<Registered> registered = new ArrayList<>();
    private volatile @Nullable Throwable failure;

    private GradientHooks(GradientListener listener) {
        this.listener = listener;
    }

    /**
     * Registers a hook per parameter. Nothing is called any more after {@link #close}.
     *
     * @param parameters arrays that require a gradient and stay open until this is closed
     * @param listener what is called
     * @return the hooks
     */
    public static GradientHooks register(List<NDArray> parameters, Listener listener) {
        return registerWithGradients(parameters, (index, gradient) -> listener.computed(index));
    }

    /**
     * Registers a hook per parameter. Nothing is called any more after {@link #close}.
     *
     * @param parameters arrays that require a gradient and stay open until this is closed
     * @param listener what is called
     * @return the hooks
     */
    public static GradientHooks registerWithGradients(
            List<NDArray> parameters, GradientListener listener) {
        GradientHooks hooks = new GradientHooks(listener);
        for (int i = 0; i < parameters.size(); i++) {
            Hook hook = hooks.new Hook(i);
            int position = Tensors.view(parameters.get(i)).register_hook(hook);
            hooks.registered.add(new Registered(parameters.get(i), hook, position));
        }
        return hooks;
    }

    /**
     * Returns what the listener has thrown first.
     *
     * @return the failure, or null
     */
    public @Nullable Throwable failure() {
        return failure;
    }

    /** Takes the hooks off; not while backward runs. Idempotent. */
    @Override
    public void close() {
        for (Registered one : registered) {
            Tensor tensor = Tensors.view(one.parameter());
            tensor.remove_hook(one.position());
            one.hook().close();
        }
        registered.clear();
    }

    /** libtorch holds the hook weakly only: this keeps it. */
    private record Registered(NDArray parameter, Hook hook, int position) {}

    private final class Hook extends VoidTensorHook {
        private final int index;
        private final Computed computed = new Computed();

        Hook(int index) {
            this.index = index;
        }

        @Override
        public void call(TensorBase gradient) {
            try {
                computed.tensor = gradient;
                listener.computed(index, computed);
            } catch (Throwable t) {
                // An exception that leaves this method would unwind libtorch's own frames.
                if (failure == null) {
                    failure = t;
                }
            } finally {
                computed.tensor = null;
                // A handle of its own, which would keep the gradient until the next collection.
                gradient.close();
            }
        }
    }
}
