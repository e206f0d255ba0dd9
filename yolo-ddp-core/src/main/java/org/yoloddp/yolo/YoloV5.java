package org.yoloddp.yolo;

import org.yoloddp.detection.DetectionDataset;

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
}
