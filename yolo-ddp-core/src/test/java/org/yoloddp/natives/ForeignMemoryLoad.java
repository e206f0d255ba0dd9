package org.yoloddp.natives;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import org.bytedeco.javacpp.BytePointer;
import org.yoloddp.torch.TorchRuntime;

/** Fills more of libtorch's memory than JavaCPP would allow, then asks JavaCPP for some. */
final class ForeignMemoryLoad {

    private ForeignMemoryLoad() {}

    public static void main(String[] arguments) {
        TorchRuntime.start();
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray big = manager.ones(new Shape(1100L << 18));
            try (BytePointer small = new BytePointer(1L << 20)) {
                System.out.println("allocated=" + small.capacity());
            } catch (OutOfMemoryError e) {
                System.out.println("allocated=" + e.getClass().getSimpleName());
            }
            System.out.println("elements=" + big.size());
        }
    }
}
