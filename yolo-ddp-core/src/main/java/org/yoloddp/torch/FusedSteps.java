package org.yoloddp.torch;

import java.util.List;

/**
 * Optimizer steps over many parameters in one native call each, by PyTorch's formulas.
 *
 * <p>All lists have one entry per parameter, in the same order, in float32, with the same strides
 * entry by entry. A parameter that lacks a gradient in a step is left out of all lists of that
 * call.
 */
public final class FusedSteps {

    private FusedSteps() {}

    /**
     * One step of stochastic gradient descent: {@code g += weightDecay * p; buffer = first ? g :
     * momentum * buffer + (1 - dampening) * g; p -= lr * (nesterov ? g + momentum * buffer :
     * buffer)}; without momentum {@code p -= lr * g}.
     *
     * @param parameters changed in place
     * @param gradients read
     * @param momentumBuffers changed in place; not used if the momentum is 0
     * @param learningRate step size
     * @param momentum share of the buffer that stays
     * @param dampening how much less of the gradient enters the buffer
     * @param weightDecay L2 penalty
     * @param nesterov whether to look ahead
     * @param firstStep whether the buffers hold nothing yet
     */
    public static void sgd(
            TensorList parameters,
            TensorList gradients,
            TensorList momentumBuffers,
            double learningRate,
            double momentum,
            double dampening,
            double weightDecay,
            boolean nesterov,
            boolean firstStep) {
        parameters.requireSameSize("parameters", "gradients", gradients);
        if (momentum != 0) {
            parameters.requireSameSize("parameters", "momentum buffers", momentumBuffers);
        }
        if (parameters.size() == 0) {
            return;
        }
        try (GradMode off = GradMode.disabled();
                BoxedOp.Call call = Ops.SGD.call()) {
            call.list(parameters)
                    .list(gradients)
                    .list(momentum == 0 ? Ops.EMPTY : momentumBuffers)
                    .number(weightDecay)
                    .number(momentum)
                    .number(learningRate)
                    .number(dampening)
                    .flag(nesterov)
                    .flag(false) // maximize
                    .flag(firstStep)
                    .none() // grad_scale
                    .none() // found_inf
                    .run();
        }
    }

    /**
     * One step of Adam, with weight decay as an L2 penalty.
     *
     * @param parameters changed in place
     * @param gradients read
     * @param averages first moments, zero before the first step, changed in place
     * @param squares second moments, zero before the first step, changed in place
     * @param steps one float32 scalar each: steps done so far, counted up here
     * @param learningRate step size
     * @param beta1 decay of the first moment
     * @param beta2 decay of the second moment
     * @param eps added to the denominator
     * @param weightDecay L2 penalty
     */
    public static void adam(
            TensorList parameters,
            TensorList gradients,
            TensorList averages,
            TensorList squares,
            TensorList steps,
            double learningRate,
            double beta1,
            double beta2,
            double eps,
            double weightDecay) {
        adaptive(
                Ops.ADAM,
                new TensorList[] {parameters, gradients, averages, squares, steps},
                new double[] {learningRate, beta1, beta2, weightDecay, eps});
    }

    /**
     * One step of AdamW: weight decay shrinks the parameter itself.
     *
     * @param parameters changed in place
     * @param gradients read
     * @param averages first moments, zero before the first step, changed in place
     * @param squares second moments, zero before the first step, changed in place
     * @param steps one float32 scalar each: steps done so far, counted up here
     * @param learningRate step size
     * @param beta1 decay of the first moment
     * @param beta2 decay of the second moment
     * @param eps added to the denominator
     * @param weightDecay share of the parameter, times the step size, that is taken away
     */
    public static void adamW(
            TensorList parameters,
            TensorList gradients,
            TensorList averages,
            TensorList squares,
            TensorList steps,
            double learningRate,
            double beta1,
            double beta2,
            double eps,
            double weightDecay) {
        adaptive(
                Ops.ADAMW,
                new TensorList[] {parameters, gradients, averages, squares, steps},
                new double[] {learningRate, beta1, beta2, weightDecay, eps});
    }

    private static void adaptive(BoxedOp op, TensorList[] lists, double[] numbers) {
        String[] names = {"parameters", "gradients", "averages", "squares", "steps"};
        for (int i = 1; i < lists.length; i++) {
            lists[0].requireSameSize(names[0], names[i], lists[i]);
        }
        if (lists[0].size() == 0) {
            return;
        }
        TensorList steps = lists[4];
        steps.increment();
        try (GradMode off = GradMode.disabled();
                BoxedOp.Call call = op.call()) {
            call.list(lists[0])
                    .list(lists[1])
                    .list(lists[2])
                    .list(lists[3])
                    .list(Ops.EMPTY) // max_exp_avg_sqs of amsgrad
                    .list(steps);
            for (double number : numbers) {
                call.number(number);
            }
            call.flag(false) // amsgrad
                    .flag(false) // maximize
                    .none() // grad_scale
                    .none() // found_inf
                    .run();
        }
    }

    private static final class Ops {
        static final TensorList EMPTY = TensorList.of(List.of());
        static final BoxedOp SGD = BoxedOp.of("_fused_sgd_", "");
        static final BoxedOp ADAM = BoxedOp.of("_fused_adam_", "");
        static final BoxedOp ADAMW = BoxedOp.of("_fused_adamw_", "");
    }
}
