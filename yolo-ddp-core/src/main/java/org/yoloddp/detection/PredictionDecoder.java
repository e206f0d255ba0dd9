package org.yoloddp.detection;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;

/** Reads what a network makes of a batch of images in evaluation mode. */
@FunctionalInterface
public interface PredictionDecoder {

    /**
     * Turns the network's output into boxes.
     *
     * @param predictions the output
     * @return float32 of (image, row, 5 + classes): centre x, centre y, width and height in pixels
     *     of the network's input, objectness, one score by class
     */
    NDArray decode(NDList predictions);

    /**
     * Picks what the loss compares with the labels.
     *
     * @param predictions the output
     * @return what {@link org.yoloddp.train.TrainingLoss#evaluate} takes; by default all of it
     */
    default NDList lossInputs(NDList predictions) {
        return predictions;
    }
}
