package org.yoloddp.torch;

import com.sun.jna.Function;
import com.sun.jna.NativeLibrary;
import org.jspecify.annotations.Nullable;

/**
 * The threads of OpenBLAS, a pool of the process that libtorch does not manage: with two for each
 * of two ranks they would wait for each other in every matrix product.
 */
final class OpenBlas {

    private static final @Nullable Function SET = find("openblas_set_num_threads");
    private static final @Nullable Function GET = find("openblas_get_num_threads");

    private OpenBlas() {}

    static synchronized void setThreads(int threads) {
        Function set = SET;
        if (set != null && threads() != threads) {
            set.invokeVoid(new Object[] {threads});
        }
    }

    /** Their number, or 0 where this libtorch uses another library. */
    static int threads() {
        Function get = GET;
        return get == null ? 0 : get.invokeInt(new Object[0]);
    }

    /** Looks into libtorch and the libraries that it is linked to. */
    private static @Nullable Function find(String name) {
        try {
            return NativeLibrary.getInstance(TorchRuntime.libtorch().toString()).getFunction(name);
        } catch (UnsatisfiedLinkError e) {
            return null;
        }
    }
}
