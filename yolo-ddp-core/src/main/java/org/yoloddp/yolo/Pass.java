package org.yoloddp.yolo;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.nn.Parameter;
import ai.djl.training.ParameterStore;

/** One forward pass: where parameters come from, and whether batch statistics are taken. */
record Pass(ParameterStore store, Device device, boolean training) {

    NDArray value(Parameter parameter) {
        return store.getValue(parameter, device, training);
    }
}
