package org.yoloddp.yolo;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.training.ParameterStore;
import ai.djl.util.Pair;
import org.yoloddp.torch.GradMode;
import org.yoloddp.torch.GradientViews;
import org.yoloddp.torch.Layouts;
import org.yoloddp.torch.SafetensorsFile;
import org.yoloddp.torch.TorchRuntime;

/**
 * A model with its manager, for tests. In NCHW like the golden values, with as many threads:
 * libtorch then gives the same bits.
 */
final class TestModel implements AutoCloseable {

    final NDManager manager;
    final YoloV5Block block;
    final ParameterStore store;

    TestModel(ModelYaml yaml, long seed) {
        TorchRuntime.start();
        TorchRuntime.setThreads(2);
        manager = NDManager.newBaseManager(Device.cpu());
        block = new YoloV5Block(yaml, seed);
        block.initialize(manager, DataType.FLOAT32, new Shape(1, 3, 64, 64));
        store = new ParameterStore(manager, false);
    }

    void channelsLast() {
        for (Pair<String, Parameter> pair : block.getParameters()) {
            if (pair.getValue().getShape().dimension() == 4) {
                Layouts.toChannelsLast(pair.getValue().getArray());
            }
        }
    }

    /** Writes values into a parameter, in place. */
    void set(String name, float[] values) {
        Parameter parameter = block.getParameters().get(name);
        try (GradMode off = GradMode.disabled();
                NDArray array = manager.create(values, parameter.getShape())) {
            NDArray target = parameter.getArray();
            target.muli(0).addi(array);
        }
    }

    /** Images of a golden file as network input, from..to. */
    NDArray images(SafetensorsFile file, String name, int from, int to) {
        long[] shape = file.shape(name);
        byte[] bytes = file.bytes(name);
        int size = (int) (shape[1] * shape[2] * shape[3]);
        float[] values = new float[(to - from) * size];
        for (int i = 0; i < values.length; i++) {
            values[i] = (bytes[from * size + i] & 0xff) / 255f;
        }
        NDArray images = manager.create(values, new Shape(to - from, shape[1], shape[2], shape[3]));
        // Layouts.toChannelsLast(images);
        return images;
    }

    NDList train(NDArray images) {
        try (GradMode on = GradMode.enabled()) {
            return block.forwardRaw(store, images, true);
        }
    }

    NDList evaluate(NDArray images) {
        try (GradMode off = GradMode.disabled()) {
            return block.forwardRaw(store, images, false);
        }
    }

    NDArray gradient(String name) {
        NDArray gradient = GradientViews.gradient(block.getParameters().get(name).getArray());
        if (gradient == null) {
            throw new AssertionError("no gradient for " + name);
        }
        return gradient;
    }

    static double l2(float[] values) {
        double sum = 0;
        for (float value : values) {
            sum += (double) value * value;
        }
        return Math.sqrt(sum);
    }

    @Override
    public void close() {
        manager.close();
    }
}
