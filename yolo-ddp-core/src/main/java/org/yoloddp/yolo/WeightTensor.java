package org.yoloddp.yolo;

import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.nio.file.Path;
import java.util.function.Supplier;

/**
 * One named tensor of a file of weights, in plain Java arrays; reading it needs no native engine.
 */
public final class WeightTensor {

    private final String name;
    private final Shape shape;
    private final DataType dataType;
    private final Supplier<float[]> floats;
    private final Supplier<long[]> longs;

    WeightTensor(
            String name,
            Shape shape,
            DataType dataType,
            Supplier<float[]> floats,
            Supplier<long[]> longs) {
        this.name = name;
        this.shape = shape;
        this.dataType = dataType;
        this.floats = floats;
        this.longs = longs;
    }

    /** A window on the storage of a checkpoint. */
    static WeightTensor of(Path file, String name, PickledTensor tensor, TorchArchive archive) {
        if (!tensor.fits() || tensor.count() > Integer.MAX_VALUE - 8) {
            throw WeightsException.badTensor(
                    file, name, "reaches beyond its storage of " + tensor.storage().count());
        }
        StridedReader reader = new StridedReader(tensor, archive.storage(tensor.storage()));
        DataType type = tensor.storage().type().floating() ? DataType.FLOAT32 : DataType.INT64;
        return new WeightTensor(
                name, new Shape(tensor.shape()), type, reader::floats, reader::longs);
    }

    /**
     * Returns the name.
     *
     * @return the name, as in YOLOv5's state dict
     */
    public String name() {
        return name;
    }

    /**
     * Returns the shape.
     *
     * @return the shape
     */
    public Shape shape() {
        return shape;
    }

    /**
     * Returns the type in which the values are given.
     *
     * @return float32 for every floating type in the file, int64 for every integer type
     */
    public DataType dataType() {
        return dataType;
    }

    /**
     * Returns the values in row-major order.
     *
     * @return a new array; a half-precision value is exact
     */
    public float[] floats() {
        return floats.get();
    }

    /**
     * Returns the values in row-major order; of an integer type only.
     *
     * @return a new array
     */
    public long[] longs() {
        return longs.get();
    }
}
