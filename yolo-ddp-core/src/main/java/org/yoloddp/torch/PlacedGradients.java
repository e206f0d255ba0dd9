package org.yoloddp.torch;

import ai.djl.ndarray.NDArray;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Gradients that have a place, into which backward's first gradient of a step is copied, and later
 * ones of the same step are added.
 *
 * <p>To let autograd add to zeros costs filling them, reading them and writing them again. So the
 * parameters are left without a gradient before backward ({@link #release}); a hook copies what has
 * been computed ({@link #computed}), while it is still in the processor's caches; autograd takes
 * its own over, which costs nothing, and that is dropped for the place as soon as may be.
 *
 * <p>Not thread-safe: calls are guarded by whoever owns this.
 */
public final class PlacedGradients implements AutoCloseable {

    private enum State {
        /** The place is the parameter's gradient. */
        HOME,
        /** The parameter has no gradient. */
        AWAY,
        /** The gradient is in its place, but autograd keeps one of its own too. */
        COPIED
    }

    private final List<NDArray> parameters;
    private final List<Tensor> places = new ArrayList<>();
    private final State[] states;
    private @Nullable Thread lastThread;
    private int last;
    private boolean released;

    private PlacedGradients(List<NDArray> parameters) {
        this.parameters = List.copyOf(parameters);
        this.states = new State[parameters.size()];
        for (int i = 0; i < states.length; i++) {
            states[i] = State.HOME;
            places.add(new Tensor(gradient(i)));
        }
    }

    /**
     * Takes the gradients that the parameters have for their places.
     *
     * @param parameters arrays that have a gradient, and stay open until this is closed
     * @return their places
     */
    public static PlacedGradients of(List<NDArray> parameters) {
        return new PlacedGradients(parameters);
    }

    /** The parameter's reference to its gradient. */
    private Tensor gradient(int index) {
        return Tensors.view(parameters.get(index)).mutable_grad();
    }

    /**
     * Leaves all parameters without a gradient until backward has computed one, or {@link #end}.
     */
    public void release() {
        for (int i = 0; i < states.length; i++) {
            gradient(i).reset();
            states[i] = State.AWAY;
        }
        lastThread = null;
        released = true;
    }

    /**
     * Copies a gradient to its place, if it is the first one since {@link #release}. To be called
     * by a hook.
     *
     * @param index the parameter's place in the list
     * @param gradient what autograd is about to add to the parameter's gradient
     */
    public void computed(int index, GradientHooks.Computed gradient) {
        if (!released) {
            return;
        }
        // What a thread has announced it has taken over when it announces the next.
        if (lastThread == Thread.currentThread()) {
            bringHome(last);
        }
        if (states[index] == State.AWAY) {
            gradient.copyTo(places.get(index));
            states[index] = State.COPIED;
            lastThread = Thread.currentThread();
            last = index;
        } else {
            bringHome(index);
            lastThread = null;
        }
    }

    private void bringHome(int index) {
        if (states[index] != State.HOME) {
            gradient(index).put(places.get(index));
            states[index] = State.HOME;
        }
    }

    /**
     * Makes the places the parameters' gradients, when backward has returned.
     *
     * @return the parameters of which nothing has been computed since {@link #release}: what is in
     *     their places is of the step before
     */
    public BitSet end() {
        BitSet left = new BitSet();
        for (int i = 0; released && i < states.length; i++) {
            if (states[i] == State.AWAY) {
                left.set(i);
            }
            bringHome(i);
        }
        lastThread = null;
        released = false;
        return left;
    }

    /**
     * Fills places with zeros.
     *
     * @param indices the parameters' places in the list
     */
    public void zero(BitSet indices) {
        try (GradMode off = GradMode.disabled()) {
            indices.stream().forEach(i -> places.get(i).zero_());
        }
    }

    /** Forgets the places; the parameters are left as they are. Idempotent. */
    @Override
    public void close() {
        places.forEach(Tensor::close);
        places.clear();
        released = false;
    }
}
