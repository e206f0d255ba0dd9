package org.yoloddp.train;

/**
 * Watches a training. Called on the thread of rank 0, in the order of adding; the training waits
 * meanwhile. An exception ends the training on all ranks and is thrown by {@code train()}.
 *
 * <p>Each observer is told of the end once: by {@link #onEnd} or by {@link #onFailure}. Only when
 * rank 0's thread hangs is it told of neither.
 */
public interface TrainingObserver {

    /**
     * Before the first step.
     *
     * @param start what is about to be trained
     */
    default void onStart(TrainingStart start) {}

    /**
     * After each batch.
     *
     * @param report the batch
     */
    default void onStep(StepReport report) {}

    /**
     * After each epoch and its validation.
     *
     * @param report the epoch
     * @param weights the weights after the epoch, for this call only
     */
    default void onEpoch(EpochReport report, WeightsView weights) {}

    /**
     * Before each validation.
     *
     * @param epoch the epoch, from 0
     */
    default void onValidation(int epoch) {}

    /**
     * After a training that ended as planned or was cancelled; not after a failure. One that throws
     * here fails the training, which only those observers are told of that come after it.
     *
     * @param report the training
     */
    default void onEnd(TrainingReport report) {}

    /**
     * After a failure, for closing what is open; also after one that came before {@link #onStart}.
     *
     * @param cause why the training failed, as {@code train()} throws it
     */
    default void onFailure(Throwable cause) {}
}
