package org.yoloddp.nccl;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.yoloddp.natives.NativeLibraryException;

/**
 * What NCCL of this process is, and which GPUs it sees; for logs and for the command {@code
 * doctor}.
 *
 * @param library the file of libnccl, or of the libtorch that holds it
 * @param version NCCL's version by ncclGetVersion, such as {@code 2.26.2}
 * @param runtime the file of CUDA's runtime
 * @param runtimeVersion the runtime's version, such as {@code 12.6}
 * @param driverVersion the newest version of CUDA that the driver is for
 * @param devices the bus id of each GPU that this process sees, by its number
 * @param withoutPeerAccess the pairs of GPUs that reach each other through the host only, such as
 *     {@code 0-1}
 */
public record NcclReport(
        Path library,
        String version,
        Path runtime,
        String runtimeVersion,
        String driverVersion,
        List<String> devices,
        List<String> withoutPeerAccess) {

    /**
     * Copies the lists.
     *
     * @param library the file of libnccl, or of the libtorch that holds it
     * @param version NCCL's version
     * @param runtime the file of CUDA's runtime
     * @param runtimeVersion the runtime's version
     * @param driverVersion the newest version of CUDA that the driver is for
     * @param devices the bus ids
     * @param withoutPeerAccess the pairs that reach each other through the host only
     */
    public NcclReport {
        devices = List.copyOf(devices);
        withoutPeerAccess = List.copyOf(withoutPeerAccess);
    }

    /**
     * Loads NCCL if that has not been done, and looks at it. A CUDA libtorch has to be started
     * before, for its NCCL to be the one.
     *
     * @param options where NCCL comes from
     * @return what was found
     * @throws NativeLibraryException if there is none that can be used, and why
     * @throws CudaException if a GPU does not answer
     */
    public static NcclReport read(NcclOptions options) {
        NcclLibrary library = NcclLibrary.load(options);
        Cuda cuda = library.cuda();
        List<String> devices = new ArrayList<>();
        List<String> apart = new ArrayList<>();
        int count = cuda.getDeviceCount();
        for (int a = 0; a < count; a++) {
            devices.add(cuda.deviceGetPciBusId(a));
            for (int b = a + 1; b < count; b++) {
                if (!cuda.deviceCanAccessPeer(a, b) || !cuda.deviceCanAccessPeer(b, a)) {
                    apart.add(a + "-" + b);
                }
            }
        }
        return new NcclReport(
                library.file(),
                NcclVersion.text(library.version()),
                library.runtime(),
                NcclVersion.cudaText(cuda.runtimeGetVersion()),
                NcclVersion.cudaText(cuda.driverGetVersion()),
                devices,
                apart);
    }
}
