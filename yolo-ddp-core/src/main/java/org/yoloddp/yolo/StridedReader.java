package org.yoloddp.yolo;

import java.nio.ByteBuffer;

/** Reads a tensor with any strides in row-major order. */
final class StridedReader {

    private final PickledTensor tensor;
    private final ByteBuffer data;

    StridedReader(PickledTensor tensor, ByteBuffer data) {
        this.tensor = tensor;
        this.data = data;
    }

    float[] floats() {
        float[] result = new float[(int) tensor.count()];
        StorageType type = tensor.storage().type();
        visit((from, to) -> result[to] = (float) type.asDouble(data, from));
        return result;
    }

    long[] longs() {
        long[] result = new long[(int) tensor.count()];
        StorageType type = tensor.storage().type();
        visit((from, to) -> result[to] = type.asLong(data, from));
        return result;
    }

    private interface Copy {
        void element(int from, int to);
    }

    private void visit(Copy copy) {
        long[] shape = tensor.shape();
        long[] strides = tensor.strides();
        long[] index = new long[shape.length];
        int count = (int) tensor.count();
        long from = tensor.offset();
        for (int to = 0; to < count; to++) {
            copy.element((int) from, to);
            for (int axis = shape.length - 1; axis >= 0; axis--) {
                from += strides[axis];
                if (++index[axis] < shape[axis]) {
                    break;
                }
                from -= strides[axis] * shape[axis];
                index[axis] = 0;
            }
        }
    }
}
