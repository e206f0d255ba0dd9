package org.yoloddp.nccl;

import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.stream.Collectors;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.error.YoloDdpException;

/** The ranks cannot work together over NCCL, as they were started. */
public final class NcclRefusal extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    private NcclRefusal(String message) {
        super(message);
    }

    static NcclRefusal mixedVersions(SortedMap<Integer, Integer> versions) {
        Map<Integer, List<Integer>> ranks = new LinkedHashMap<>();
        versions.forEach(
                (rank, version) ->
                        ranks.computeIfAbsent(version, v -> new ArrayList<>()).add(rank));
        String who =
                ranks.entrySet().stream()
                        .map(
                                e ->
                                        NcclVersion.text(e.getKey())
                                                + " on "
                                                + (e.getValue().size() == 1 ? "rank " : "ranks ")
                                                + e.getValue().stream()
                                                        .map(String::valueOf)
                                                        .collect(Collectors.joining(", ")))
                        .collect(Collectors.joining("; "));
        return new NcclRefusal(
                "The ranks have different versions of NCCL: "
                        + who
                        + ". Give all of them one libnccl, by -D"
                        + NcclOptions.LIBRARY
                        + "=/file or by the same libtorch.");
    }

    static NcclRefusal sharedDevice(int first, int second, MemoryDevice device) {
        return new NcclRefusal(
                "Ranks "
                        + first
                        + " and "
                        + second
                        + " are threads of one process and both on "
                        + device
                        + ", which NCCL does not allow. Give each rank a GPU of its own; or, to try"
                        + " several ranks on one GPU, start them as processes, each with an"
                        + " NCCL_HOSTID of its own.");
    }

    static NcclRefusal lazyLoading(int ranks, String found) {
        return new NcclRefusal(
                ranks
                        + " ranks are threads of one process, each with a GPU, and"
                        + " CUDA_MODULE_LOADING is "
                        + found
                        + ": CUDA may then load a kernel while NCCL's run, and wait for them for"
                        + " ever. Start the process with CUDA_MODULE_LOADING=EAGER, or one process"
                        + " per GPU.");
    }

    static NcclRefusal hostMemory(MemoryDevice device) {
        return new NcclRefusal(
                "The communicator 'nccl' works on the memory of NVIDIA GPUs, not of "
                        + device
                        + ". Train on GPUs, or use the communicator 'tcp', or threads.");
    }

    static NcclRefusal notReady(String what, int rank, Duration deadline) {
        return new NcclRefusal(
                "NCCL did not "
                        + what
                        + " on rank "
                        + rank
                        + " within "
                        + deadline.toMillis()
                        + " ms: a rank has not come, or cannot be reached. Look at the other ranks,"
                        + " at NCCL_SOCKET_IFNAME and at NCCL_DEBUG=INFO, or raise the deadline.");
    }

    static NcclRefusal noUniqueId(int rank, String group, String why) {
        return new NcclRefusal(
                "Rank "
                        + rank
                        + " could not make the id by which the ranks of group '"
                        + group
                        + "' find each other: "
                        + why);
    }

    static NcclRefusal memoryNotFilled(long bytes, MemoryDevice device, Duration deadline) {
        return new NcclRefusal(
                device
                        + " did not clear "
                        + bytes
                        + " bytes within "
                        + deadline.toMillis()
                        + " ms: it hangs. Look at nvidia-smi and at the system's log for Xid"
                        + " errors.");
    }

    static NcclRefusal streamNotThrough(String what, MemoryDevice device, Duration deadline) {
        return new NcclRefusal(
                device
                        + " is not through with "
                        + what
                        + " after "
                        + deadline.toMillis()
                        + " ms: it hangs, or waits for another rank. Look at the other ranks, at"
                        + " nvidia-smi and at the system's log for Xid errors.");
    }
}
