package org.yoloddp.torch;

import com.sun.jna.Function;
import com.sun.jna.NativeLibrary;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.DispatchKey;

/**
 * Lets the operations of the calling thread that gain by it run in bfloat16; put back on close.
 *
 * <p>Use it around the forward only, cast the output by {@link TorchOps#toFloat32} and compute the
 * loss outside. libtorch keeps a low-precision copy of each parameter until someone clears it,
 * which only Python does: an optimizer step in place would never be seen. So that cache is off in
 * this scope.
 */
public final class Autocast implements AutoCloseable {

    private final Thread thread = Thread.currentThread();
    private final boolean wasExcluded;
    private final boolean wasCached;

    private Autocast() {
        TorchRuntime.start();
        wasCached = Cache.isEnabled();
        Cache.enable(false);
        wasExcluded = torch.tls_is_dispatch_key_excluded(DispatchKey.AutocastCPU);
        torch.tls_set_dispatch_key_excluded(DispatchKey.AutocastCPU, false);
    }

    /**
     * Switches bfloat16 on for this thread's operations on the CPU.
     *
     * @return the scope
     */
    public static Autocast cpuBfloat16() {
        return new Autocast();
    }

    /**
     * Puts back what was before.
     *
     * @throws TorchException if called by another thread than the one that opened it
     */
    @Override
    public void close() {
        if (Thread.currentThread() != thread) {
            throw TorchException.wrongThread("autocast", thread);
        }
        torch.tls_set_dispatch_key_excluded(DispatchKey.AutocastCPU, wasExcluded);
        Cache.enable(wasCached);
    }

    /** Functions that libtorch exports and the binding does not bind; C++ names, so mangled. */
    private static final class Cache {

        private static final boolean WINDOWS =
                System.getProperty("os.name", "").startsWith("Windows");
        private static final Function SET =
                find(
                        "_ZN2at8autocast26set_autocast_cache_enabledEb",
                        "?set_autocast_cache_enabled@autocast@at@@YAX_N@Z");
        private static final Function GET =
                find(
                        "_ZN2at8autocast25is_autocast_cache_enabledEv",
                        "?is_autocast_cache_enabled@autocast@at@@YA_NXZ");

        static void enable(boolean on) {
            SET.invokeVoid(new Object[] {on ? 1 : 0});
        }

        static boolean isEnabled() {
            return (GET.invokeInt(new Object[0]) & 0xff) != 0;
        }

        private static Function find(String itanium, String msvc) {
            String symbol = WINDOWS ? msvc : itanium;
            try {
                return NativeLibrary.getInstance(TorchRuntime.libtorch().toString())
                        .getFunction(symbol);
            } catch (UnsatisfiedLinkError e) {
                throw TorchException.missingSymbol(symbol, e);
            }
        }
    }
}
