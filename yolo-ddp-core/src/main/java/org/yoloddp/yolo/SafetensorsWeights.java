package org.yoloddp.yolo;

import java.nio.file.Path;

/**
 * Reads weights from a safetensors file, with class names and model description in its metadata.
 */
final class SafetensorsWeights {

    private SafetensorsWeights() {}

    static YoloV5Weights read(Path file) {
        throw WeightsException.unusable(file, "is not supported");
    }
}
