package org.yoloddp.examples;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Several ranks on one GPU, to try what needs several ranks where there is one GPU only. NCCL
 * refuses two ranks whose host and GPU are the same; what it takes for a host is told by
 * NCCL_HOSTID. So each rank is a process that seems to be a host of its own, and they exchange by
 * sockets over loopback. It is slow, and says nothing of NVLink or of several GPUs.
 */
final class SharedGpu {

    private SharedGpu() {}

    /** What all such ranks have in their environment; NCCL 2.30.3 and later look at the last. */
    static Map<String, String> environment() {
        Map<String, String> variables = new LinkedHashMap<>();
        variables.put("NCCL_NET", "Socket");
        variables.put("NCCL_SOCKET_IFNAME", "lo");
        variables.put("NCCL_IB_DISABLE", "1");
        variables.put("NCCL_P2P_DISABLE", "1");
        variables.put("NCCL_SHM_DISABLE", "1");
        variables.put("NCCL_MNNVL_ENABLE", "0");
        variables.put("NCCL_MAX_CTAS", "2");
        variables.put("NCCL_MULTI_RANK_GPU_ENABLE", "1");
        return variables;
    }

    /** Gives each rank that a launcher starts a host id of its own; the process stays the same. */
    static List<String> command(List<String> command) {
        List<String> wrapped =
                new ArrayList<>(
                        List.of("sh", "-c", "NCCL_HOSTID=rank$RANK exec \"$@\"", "yolo-ddp"));
        wrapped.addAll(command);
        return List.copyOf(wrapped);
    }
}
