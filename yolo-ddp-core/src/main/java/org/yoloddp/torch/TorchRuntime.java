package org.yoloddp.torch;

import java.nio.file.Path;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.yoloddp.natives.NativeLibraryException;
import org.yoloddp.natives.NativeReport;
import org.yoloddp.natives.Natives;

/**
 * Starts the bridge: DJL's PyTorch engine and the binding, on one libtorch.
 *
 * <p>Every other class of this package starts it when it is first used. An application that starts
 * DJL first gets the same libtorch, unless it has chosen another or the machine has CUDA ({@link
 * org.yoloddp.natives.SharedTorchEngineProvider}). Call it before other code uses DJL or JavaCPP to
 * be sure which libtorch is taken. Thread-safe.
 */
public final class TorchRuntime {

    private static volatile boolean started;

    private TorchRuntime() {}

    /**
     * Loads the natives, if that has not been done; costs next to nothing afterwards.
     *
     * @throws NativeLibraryException if they cannot be loaded
     */
    public static void start() {
        if (!started) {
            startOnce();
        }
    }

    private static synchronized void startOnce() {
        if (!started) {
            Natives.start();
            warmUpAutograd();
            started = true;
        }
    }

    /**
     * Runs one backward while no other can run. libtorch looks for accelerators during the first
     * one, and two first ones at once, on the threads of two ranks, have crashed there.
     */
    private static void warmUpAutograd() {
        boolean before = org.bytedeco.pytorch.GradMode.is_enabled();
        org.bytedeco.pytorch.GradMode.set_enabled(true);
        try (Tensor leaf = torch.ones(1);
                Tensor tracked = leaf.set_requires_grad(true);
                Tensor loss = torch.sum(tracked)) {
            loss.backward();
        } finally {
            org.bytedeco.pytorch.GradMode.set_enabled(before);
        }
    }

    /**
     * Sets the number of threads that one op of the calling thread may use. Threads that are
     * started later begin with it. Where matrix products are OpenBLAS's (the libtorch of JavaCPP),
     * their count is one for the whole process, and is set too.
     *
     * @param threads at least 1
     */
    public static void setThreads(int threads) {
        start();
        torch.set_num_threads(threads);
        OpenBlas.setThreads(threads);
    }

    /**
     * Returns the number of threads that one op of the calling thread may use.
     *
     * @return at least 1
     */
    public static int threads() {
        start();
        return torch.get_num_threads();
    }

    /**
     * Reports the versions in use.
     *
     * @return libtorch, binding, DJL and the rest
     */
    public static NativeReport versions() {
        start();
        return Natives.report();
    }

    /** The file of libtorch_cpu, by which functions outside the binding are called. */
    static Path libtorch() {
        Path file = Natives.start().libtorch();
        return file == null ? Path.of("torch_cpu") : file;
    }
}
