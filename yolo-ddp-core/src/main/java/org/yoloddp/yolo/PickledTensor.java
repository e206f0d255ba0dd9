package org.yoloddp.yolo;

/** A tensor as a pickle describes it: a window on a storage of the archive. */
record PickledTensor(PickledStorage storage, long offset, long[] shape, long[] strides) {

    /** Elements of the tensor, or -1 when their number is negative or beyond a long. */
    long count() {
        long count = 1;
        for (long dimension : shape) {
            if (dimension < 0) {
                return -1;
            }
            try {
                count = Math.multiplyExact(count, dimension);
            } catch (ArithmeticException e) {
                return -1;
            }
        }
        return count;
    }

    /** Whether every element lies inside the storage and no element is repeated by strides. */
    boolean fits() {
        long count = count();
        if (count < 0 || count > storage.count() || offset < 0 || strides.length != shape.length) {
            return false;
        }
        if (count == 0) {
            return true;
        }
        long last = offset;
        try {
            for (int i = 0; i < shape.length; i++) {
                if (strides[i] < 0) {
                    return false;
                }
                last = Math.addExact(last, Math.multiplyExact(shape[i] - 1, strides[i]));
            }
        } catch (ArithmeticException e) {
            return false;
        }
        return last < storage.count();
    }
}
