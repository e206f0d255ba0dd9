package org.yoloddp.torch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.locks.LockSupport;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.comm.StreamEvent;

/**
 * Numbers that a device is still computing, on their way to the host: to be read when they are
 * needed, so that the host can queue more work meanwhile. On the host they are there at once. Not
 * thread-safe.
 */
public final class LateNumbers implements AutoCloseable {

    private static final long LOOK_EVERY_NANOS = 20_000;

    private float @Nullable [] values;
    private @Nullable Tensor copy;
    private StreamEvent event = StreamEvent.PASSED;
    private final MemoryDevice device;

    private LateNumbers(MemoryDevice device) {
        this.device = device;
    }

    /**
     * Starts to bring the elements of arrays to the host, as float32.
     *
     * @param arrays small arrays on one device
     * @return the elements, one array after the other
     */
    public static LateNumbers of(NDArray... arrays) {
        MemoryDevice device = Devices.memory(arrays[0]);
        LateNumbers numbers = new LateNumbers(device);
        if (device.isHost()) {
            numbers.values = read(arrays);
        } else {
            numbers.start(arrays);
        }
        return numbers;
    }

    private static float[] read(NDArray[] arrays) {
        float[][] parts = new float[arrays.length][];
        int count = 0;
        for (int i = 0; i < arrays.length; i++) {
            parts[i] = arrays[i].toType(DataType.FLOAT32, false).toFloatArray();
            count += parts[i].length;
        }
        float[] all = new float[count];
        int at = 0;
        for (float[] part : parts) {
            System.arraycopy(part, 0, all, at, part.length);
            at += part.length;
        }
        return all;
    }

    private void start(NDArray[] arrays) {
        Tensor[] tensors = new Tensor[arrays.length];
        Arrays.setAll(tensors, i -> Tensors.view(arrays[i]));
        start(tensors);
    }

    /** Those of tensors of one device. */
    static LateNumbers of(Tensor tensor) {
        LateNumbers numbers = new LateNumbers(Devices.memory(tensor));
        if (numbers.device.isHost()) {
            try (Tensor wide = tensor.to(ScalarType.Float);
                    Tensor ordered = wide.contiguous()) {
                numbers.values = new float[Math.toIntExact(ordered.numel())];
                ordered.data_ptr_float().get(numbers.values);
            }
        } else {
            numbers.start(new Tensor[] {tensor});
        }
        return numbers;
    }

    private void start(Tensor[] tensors) {
        try (GradMode off = GradMode.disabled();
                TensorVector parts = new TensorVector(tensors.length)) {
            for (int i = 0; i < tensors.length; i++) {
                try (Tensor data = tensors[i].detach();
                        Tensor wide = data.to(ScalarType.Float);
                        Tensor flat = wide.reshape(-1)) {
                    parts.put(i, flat);
                }
            }
            try (Tensor all = torch.cat(parts)) {
                copy = pinned(all.numel());
                copy.copy_(all, true);
            }
            event = DeviceStream.current(device).record();
        }
    }

    private static Tensor pinned(long count) {
        try (TensorOptions plain = new TensorOptions(ScalarType.Float);
                BoolOptional yes = new BoolOptional(true);
                TensorOptions options = plain.pinned_memory(yes);
                MemoryFormatOptional format = new MemoryFormatOptional()) {
            return torch.empty(new long[] {count}, options, format);
        }
    }

    /**
     * Tells whether the numbers were the host's, or have been read.
     *
     * @return true if {@link #read} doesn't wait
     */
    public boolean areOnHost() {
        return values != null;
    }

    /**
     * Returns the numbers, after waiting for them if need be.
     *
     * @param deadline how long to wait
     * @return the elements of all arrays
     * @throws TorchException if the device hasn't come there by then, or has failed
     */
    public float[] read(Duration deadline) {
        float[] known = values;
        if (known != null) {
            return known;
        }
        long end = System.nanoTime() + deadline.toNanos();
        while (!event.hasPassed()) {
            if (System.nanoTime() - end > 0) {
                throw TorchException.deviceLate(device, deadline);
            }
            LockSupport.parkNanos(this, LOOK_EVERY_NANOS);
        }
        if (copy == null) {
            throw new IllegalStateException("the numbers were closed");
        }
        known = new float[Math.toIntExact(copy.numel())];
        copy.data_ptr_float().get(known);
        values = known;
        close();
        return known;
    }

    /** Forgets what has not been read; idempotent. */
    @Override
    public void close() {
        event.close();
        event = StreamEvent.PASSED;
        if (copy != null) {
            copy.close();
            copy = null;
        }
    }
}
