package org.yoloddp.ddp;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.DType;
import org.yoloddp.ddp.GradientBucket.Slot;
import org.yoloddp.torch.ForeignMemory;

/** A bucket without a model: gradients are written and read as arrays. */
record HookBucket(FlatBucket bucket) {

    private static final int TAIL = 3;

    static HookBucket of(
            Communicator communicator,
            NDManager manager,
            int index,
            Map<String, Shape> shapes,
            boolean last) {
        List<Slot> slots = new ArrayList<>();
        long end = 0;
        for (Map.Entry<String, Shape> entry : shapes.entrySet()) {
            long count = entry.getValue().size();
            slots.add(new Slot(entry.getKey(), entry.getValue(), end, count));
            end = BucketLayout.aligned(end + count, DType.F32);
        }
        int tail = last ? TAIL : 0;
        CommBuffer buffer = communicator.allocate(DType.F32, end + tail);
        NDArray flat =
                ForeignMemory.array(
                        manager, buffer.address(), DataType.FLOAT32, buffer.count(), buffer);
        return new HookBucket(
                new FlatBucket(
                        index,
                        buffer,
                        flat,
                        slots,
                        end,
                        tail,
                        Collectives.of(communicator, buffer.device())));
    }

    void write(String parameter, float[] gradient) {
        floats().put(offset(parameter), gradient);
    }

    float[] read(String parameter) {
        Slot slot = slot(parameter);
        float[] gradient = new float[Math.toIntExact(slot.count())];
        floats().get(offset(parameter), gradient);
        return gradient;
    }

    void raise(int flag, boolean on) {
        floats().put(Math.toIntExact(bucket.tailOffset()) + flag, on ? 1 : 0);
    }

    boolean raised(int flag) {
        return floats().get(Math.toIntExact(bucket.tailOffset()) + flag) > 0;
    }

    private FloatBuffer floats() {
        return bucket.buffer().bytes().asFloatBuffer();
    }

    private int offset(String parameter) {
        return Math.toIntExact(slot(parameter).offset());
    }

    private Slot slot(String parameter) {
        return bucket.slots().stream()
                .filter(slot -> slot.parameter().equals(parameter))
                .findFirst()
                .orElseThrow();
    }
}
