package org.yoloddp.torch;

import ai.djl.Device;
import ai.djl.ndarray.types.DataType;
import com.sun.jna.Function;
import com.sun.jna.NativeLibrary;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.DispatchKey;

/**
 * Lets the operations of the calling thread that gain by it run in bfloat16 or float16; put back on
 * close.
 *
 * <p>Use it around the forward only, cast the output by {@link TorchOps#toFloat32} and compute the
 * loss outside. libtorch keeps a low-precision copy of each parameter until someone clears it,
 * which only Python does: an optimizer step in place would never be seen. So that cache is off in
 * this scope.
 */
public final class Autocast implements AutoCloseable {

    private final Thread thread = Thread.currentThread();
    private final DispatchKey key;
    private final int deviceType;
    private final boolean wasExcluded;
    private final boolean wasCached;
    private final int typeBefore;

    private Autocast(DispatchKey key, int deviceType, int type) {
        this.key = key;
        this.deviceType = deviceType;
        wasCached = Exported.isCacheEnabled();
        typeBefore = Exported.type(deviceType);
        wasExcluded = torch.tls_is_dispatch_key_excluded(key);
        Exported.enableCache(false);
        Exported.setType(deviceType, type);
        torch.tls_set_dispatch_key_excluded(key, false);
    }

    /**
     * Switches bfloat16 on for this thread's operations on the CPU.
     *
     * @return the scope
     */
    public static Autocast cpuBfloat16() {
        return of(Device.cpu(), DataType.BFLOAT16);
    }

    /**
     * Switches a type of 16 bits on for this thread's operations on one kind of device.
     *
     * @param device the CPU or a GPU; which GPU doesn't matter
     * @param type bfloat16 or float16
     * @return the scope
     * @throws TorchException if it is another type
     */
    public static Autocast of(Device device, DataType type) {
        TorchRuntime.start();
        if (type != DataType.BFLOAT16 && type != DataType.FLOAT16) {
            throw TorchException.noAutocastType(type);
        }
        torch.DeviceType kind = device.isGpu() ? torch.DeviceType.CUDA : torch.DeviceType.CPU;
        return new Autocast(
                device.isGpu() ? DispatchKey.AutocastCUDA : DispatchKey.AutocastCPU,
                kind.value,
                Tensors.scalarType(type).value);
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
        torch.tls_set_dispatch_key_excluded(key, wasExcluded);
        Exported.setType(deviceType, typeBefore);
        Exported.enableCache(wasCached);
    }

    /**
     * Functions of the thread's autocast state that libtorch exports and the binding does not bind;
     * C++ names, so mangled. Enumerations are passed as whole numbers: both are bytes.
     */
    private static final class Exported {

        private static final boolean WINDOWS =
                System.getProperty("os.name", "").startsWith("Windows");
        private static final Function SET_CACHE =
                find(
                        "_ZN2at8autocast26set_autocast_cache_enabledEb",
                        "?set_autocast_cache_enabled@autocast@at@@YAX_N@Z");
        private static final Function GET_CACHE =
                find(
                        "_ZN2at8autocast25is_autocast_cache_enabledEv",
                        "?is_autocast_cache_enabled@autocast@at@@YA_NXZ");
        private static final Function SET_TYPE =
                find(
                        "_ZN2at8autocast18set_autocast_dtypeEN3c1010DeviceTypeENS1_10ScalarTypeE",
                        "?set_autocast_dtype@autocast@at@@YAXW4DeviceType@c10@@W4ScalarType@4@@Z");
        private static final Function GET_TYPE =
                find(
                        "_ZN2at8autocast18get_autocast_dtypeEN3c1010DeviceTypeE",
                        "?get_autocast_dtype@autocast@at@@YA?AW4ScalarType@c10@@W4DeviceType@4@@Z");

        static void enableCache(boolean on) {
            SET_CACHE.invokeVoid(new Object[] {on ? 1 : 0});
        }

        static boolean isCacheEnabled() {
            return (GET_CACHE.invokeInt(new Object[0]) & 0xff) != 0;
        }

        static void setType(int deviceType, int type) {
            SET_TYPE.invokeVoid(new Object[] {deviceType, type});
        }

        static int type(int deviceType) {
            return GET_TYPE.invokeInt(new Object[] {deviceType}) & 0xff;
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
