package org.yoloddp.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.training.loss.Loss;
import java.util.List;

/** Compares predictions with labels. One instance per rank, used by one thread at a time. */
public interface TrainingLoss {

    /**
     * Returns the names of the terms that are logged.
     *
     * @return the names, such as {@code box_loss}
     */
    List<String> terms();

    /**
     * Evaluates one batch.
     *
     * @param labels the labels of the batch
     * @param predictions what the block made of the data, in training mode
     * @return the loss, attached to the manager of the predictions
     */
    LossValue evaluate(NDList labels, NDList predictions);

    /**
     * Adapts a loss of DJL, of which only {@code evaluate} is called: its running totals can't be
     * merged over ranks.
     *
     * @param loss a loss that returns the mean over the batch
     * @return the loss, with the single term {@code loss}
     */
    static TrainingLoss of(Loss loss) {
        return new TrainingLoss() {
            @Override
            public List<String> terms() {
                return List.of("loss");
            }

            @Override
            public LossValue evaluate(NDList labels, NDList predictions) {
                NDArray total = loss.evaluate(labels, predictions);
                return new LossValue(total, total.stopGradient().reshape(1));
            }
        };
    }
}
