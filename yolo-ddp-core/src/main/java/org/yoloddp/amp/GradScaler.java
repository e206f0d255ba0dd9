package org.yoloddp.amp;

import java.util.LinkedHashMap;
import java.util.Map;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.torch.TensorList;

/**
 * Keeps gradients out of the range in which float16 loses them, by PyTorch's rules ({@code
 * torch.amp.GradScaler}): the loss is multiplied by a scale before backward and the gradients are
 * divided by it afterwards; a step whose gradients aren't finite is skipped and lowers the scale; a
 * row of good steps raises it.
 *
 * <pre>{@code
 * Autograd.backward(loss, scaler.scale());      // of each batch that is accumulated
 * boolean skip = scaler.unscale(gradients);     // once per step
 * if (!skip) { ... clip, optimizer ... }
 * scaler.update(skip);
 * }</pre>
 *
 * <p>The scale is a float32, as in PyTorch, so that both take the same decisions. Not thread-safe;
 * each rank has its own, and they stay equal as long as all ranks pass the same to {@link #update}.
 */
public final class GradScaler {

    private final Options options;
    private float scale;
    private int growthTracker;
    private boolean unscaled;

    /**
     * How the scale moves. Immutable.
     *
     * @param initialScale the first scale, above 0 and finite in float32; default 65536
     * @param growthFactor what the scale is multiplied by after good steps, above 1; default 2
     * @param backoffFactor what it is multiplied by at a skipped step, between 0 and 1; default .5
     * @param growthInterval the number of good steps in a row that raise it, 1 or more; default
     *     2000
     */
    public record Options(
            double initialScale, double growthFactor, double backoffFactor, int growthInterval) {

        /**
         * Checks the values.
         *
         * @param initialScale above 0 and finite in float32
         * @param growthFactor above 1
         * @param backoffFactor between 0 and 1
         * @param growthInterval 1 or more
         * @throws ConfigurationException if one is out of range
         */
        public Options {
            if (!(initialScale > 0) || !isUsable((float) initialScale)) {
                throw new ConfigurationException(
                        "the initial loss scale is "
                                + initialScale
                                + ", but it and its inverse have to be above 0 and finite in"
                                + " float32");
            }
            if (!(growthFactor > 1) || Double.isInfinite(growthFactor)) {
                throw new ConfigurationException(
                        "the growth factor of the loss scale is "
                                + growthFactor
                                + ", but has to be above 1 and finite");
            }
            if (!(backoffFactor > 0 && backoffFactor < 1)) {
                throw new ConfigurationException(
                        "the backoff factor of the loss scale is "
                                + backoffFactor
                                + ", but has to be between 0 and 1");
            }
            if (growthInterval < 1) {
                throw new ConfigurationException(
                        "the growth interval of the loss scale is "
                                + growthInterval
                                + " steps, but has to be 1 or more");
            }
        }

        /**
         * Returns PyTorch's defaults.
         *
         * @return 65536, doubled after 2000 good steps, halved at a skipped one
         */
        public static Options defaults() {
            return new Options(65536, 2, .5, 2000);
        }

        /**
         * Returns a copy with another first scale.
         *
         * @param value above 0 and finite in float32
         * @return the copy
         */
        public Options withInitialScale(double value) {
            return new Options(value, growthFactor, backoffFactor, growthInterval);
        }

        /**
         * Returns a copy with another growth factor.
         *
         * @param value above 1
         * @return the copy
         */
        public Options withGrowthFactor(double value) {
            return new Options(initialScale, value, backoffFactor, growthInterval);
        }

        /**
         * Returns a copy with another backoff factor.
         *
         * @param value between 0 and 1
         * @return the copy
         */
        public Options withBackoffFactor(double value) {
            return new Options(initialScale, growthFactor, value, growthInterval);
        }

        /**
         * Returns a copy with another growth interval.
         *
         * @param steps 1 or more
         * @return the copy
         */
        public Options withGrowthInterval(int steps) {
            return new Options(initialScale, growthFactor, backoffFactor, steps);
        }
    }

    /**
     * Creates a scaler.
     *
     * @param options how the scale moves
     */
    public GradScaler(Options options) {
        this.options = options;
        scale = (float) options.initialScale();
    }

    /**
     * Returns what the loss is multiplied by. It changes in {@link #update} only, hence stays the
     * same while gradients are accumulated.
     *
     * @return the scale, a float32
     */
    public double scale() {
        return scale;
    }

    /**
     * Returns how many good steps there were since the scale changed.
     *
     * @return from 0 to below the growth interval
     */
    public int growthTracker() {
        return growthTracker;
    }

    /**
     * Divides the gradients by the scale and looks for infinities and NaN on the way, in one native
     * pass.
     *
     * @param gradients all gradients of the step, changed in place
     * @return whether one isn't finite, so that the step has to be skipped
     * @throws IllegalStateException if it was called since the last {@link #update}: gradients
     *     would be divided twice
     */
    public boolean unscale(TensorList gradients) {
        if (unscaled) {
            throw new IllegalStateException(
                    "unscale() was called twice for one step; call update() in between");
        }
        unscaled = true;
        return gradients.scaleAndFindNonFinite(inverse(scale));
    }

    /**
     * Ends a step.
     *
     * @param skipped whether a gradient wasn't finite on any rank
     * @throws LossScaleException if the scale has fallen so low that it can't be divided by
     */
    public void update(boolean skipped) {
        unscaled = false;
        if (skipped) {
            growthTracker = 0;
            float lower = (float) (scale * options.backoffFactor());
            if (!isUsable(lower)) {
                throw LossScaleException.tooLow(scale);
            }
            scale = lower;
        } else if (++growthTracker == options.growthInterval()) {
            growthTracker = 0;
            float higher = (float) (scale * options.growthFactor());
            scale = Float.isFinite(higher) ? higher : scale;
        }
    }

    /** The inverse is rounded once, from a double. */
    private static float inverse(float scale) {
        return (float) (1 / (double) scale);
    }

    private static boolean isUsable(float scale) {
        return Float.isFinite(scale) && scale > 0 && Float.isFinite(inverse(scale));
    }

    /**
     * Returns all that a later run needs to go on: {@code scale} and {@code growth_tracker}.
     *
     * @return a new map of plain numbers
     */
    public Map<String, Double> state() {
        Map<String, Double> state = new LinkedHashMap<>();
        state.put("scale", (double) scale);
        state.put("growth_tracker", (double) growthTracker);
        return state;
    }

    /**
     * Goes on from a saved state.
     *
     * @param state what {@link #state} gave, maybe under other options
     * @throws ConfigurationException if a number is missing or out of range
     */
    public void load(Map<String, Double> state) {
        double savedScale = required(state, "scale");
        double savedTracker = required(state, "growth_tracker");
        if (!isUsable((float) savedScale)) {
            throw new ConfigurationException(
                    "the saved state of the loss scale has scale "
                            + savedScale
                            + ", which no run"
                            + " can have had; is the file damaged?");
        }
        if (!(savedTracker >= 0) || savedTracker != Math.rint(savedTracker)) {
            throw new ConfigurationException(
                    "the saved state of the loss scale has growth_tracker "
                            + savedTracker
                            + ", which no run can have had; is the file damaged?");
        }
        scale = (float) savedScale;
        // With a shorter interval than the one it was saved under, the next good step ends it.
        growthTracker = (int) Math.min(savedTracker, options.growthInterval() - 1);
        unscaled = false;
    }

    private static double required(Map<String, Double> state, String name) {
        Double value = state.get(name);
        if (value == null) {
            throw new ConfigurationException(
                    "the saved state of the loss scale has no '"
                            + name
                            + "', only "
                            + state.keySet());
        }
        return value;
    }
}
