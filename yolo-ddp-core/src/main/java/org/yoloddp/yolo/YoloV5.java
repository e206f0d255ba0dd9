package org.yoloddp.yolo;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import org.yoloddp.detection.DetectionDataset;
import org.yoloddp.detection.PredictionDecoder;

/** Where YOLOv5 starts: training tasks. */
public final class YoloV5 {

    private YoloV5() {}

    /**
     * Starts to describe the training of a model.
     *
     * @param model {@code yolov5n}, {@code s}, {@code m}, {@code l}, {@code x}, or the path of a
     *     model yaml
     * @param data what to train and validate on; its number of classes becomes the model's
     * @return a builder
     * @throws ModelYamlException if there is no such model, or it cannot be read
     */
    public static YoloV5TaskBuilder task(String model, DetectionDataset data) {
        return new YoloV5TaskBuilder(ModelYaml.load(model), data);
    }

    /**
     * Returns how validations read what {@link YoloV5Block} gives in evaluation mode.
     *
     * @return a decoder: boxes first, then raw logits for the loss
     */
    public static PredictionDecoder decoder() {
        return new PredictionDecoder() {
            @Override
            public NDArray decode(NDList predictions) {
                return predictions.head();
            }

            @Override
            public NDList lossInputs(NDList predictions) {
                return predictions.subNDList(1);
            }
        };
    }
}
