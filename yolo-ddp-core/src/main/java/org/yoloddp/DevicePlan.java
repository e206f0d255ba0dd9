package org.yoloddp;

import ai.djl.Device;
import java.io.File;
import java.util.HashSet;
import java.util.List;
import java.util.stream.IntStream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.comm.CommunicatorProviders;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.torch.Devices;

/** Gives ranks their devices. */
final class DevicePlan {

    private static final Logger LOG = LoggerFactory.getLogger(DevicePlan.class);

    /** Where the driver shows its GPUs, without a library being loaded. */
    private static final File DRIVER = new File("/proc/driver/nvidia/gpus");

    private final int visible;

    /**
     * @param visible how many GPUs libtorch sees
     */
    DevicePlan(int visible) {
        this.visible = visible;
    }

    /** What this machine has. */
    static DevicePlan ofThisMachine() {
        int visible = Devices.gpuCount();
        if (visible == 0 && DRIVER.isDirectory()) {
            LOG.warn(
                    "This machine has GPUs, but libtorch sees none; for a CUDA build set"
                            + " -Dyoloddp.libtorch=djl (downloaded at first use) or"
                            + " -Dyoloddp.libtorch=path:/folder");
        }
        return new DevicePlan(visible);
    }

    /** The devices of a world that is this JVM alone: one rank each. */
    List<Device> local(DeviceChoice choice) {
        if (!choice.indices().isEmpty()) {
            return distinct(choice);
        }
        if (choice.isCpu() || visible == 0) {
            return List.of(Device.cpu());
        }
        if (visible > 1 && CommunicatorProviders.find(Devices.memory(Device.gpu(0))).isEmpty()) {
            LOG.info(
                    "{} GPUs are there, but no communicator for them is on the class path, so only"
                            + " the first is used; add yolo-ddp-nccl for the others",
                    visible);
            return List.of(Device.gpu(0));
        }
        return IntStream.range(0, visible).mapToObj(Device::gpu).toList();
    }

    /** The devices of a number of ranks in this JVM; the CPU unless GPUs are named. */
    List<Device> threads(DeviceChoice choice, int ranks) {
        if (choice.indices().isEmpty()) {
            return IntStream.range(0, ranks).mapToObj(rank -> Device.cpu()).toList();
        }
        if (choice.indices().size() != ranks) {
            throw new ConfigurationException(
                    ranks
                            + " ranks can't compute on the GPUs "
                            + choice
                            + " of this JVM; name as many GPUs as ranks");
        }
        return distinct(choice);
    }

    private List<Device> distinct(DeviceChoice choice) {
        if (new HashSet<>(choice.indices()).size() < choice.indices().size()) {
            throw new ConfigurationException(
                    "the GPUs "
                            + choice
                            + " name one twice, but two ranks of one JVM can't share a GPU; let"
                            + " ranks be processes (yolo-ddp launch)");
        }
        return choice.indices().stream().map(this::gpu).toList();
    }

    /** The device of a rank that is a process. */
    Device process(DeviceChoice choice, int localRank, int localSize) {
        List<Integer> named = choice.indices();
        if (choice.isCpu() || named.isEmpty() && visible == 0) {
            return Device.cpu();
        }
        int shown = named.isEmpty() ? visible : named.size();
        if (localRank >= shown) {
            throw new ConfigurationException(
                    "this process is number "
                            + localRank
                            + " of "
                            + localSize
                            + " on its host, which has "
                            + shown
                            + (shown == 1 ? " GPU" : " GPUs")
                            + (named.isEmpty() ? "" : " (" + choice + ")")
                            + "; start as many processes as GPUs, or compute on the CPU");
        }
        return gpu(named.isEmpty() ? localRank : named.get(localRank));
    }

    private Device gpu(int index) {
        if (index >= visible) {
            throw new ConfigurationException(
                    "GPU "
                            + index
                            + " is asked for, but libtorch sees "
                            + (visible == 0 ? "none" : "only " + visible)
                            + (Devices.isCudaBuild()
                                    ? "; see nvidia-smi and CUDA_VISIBLE_DEVICES"
                                    : ": it is built for the CPU; set -Dyoloddp.libtorch=djl or"
                                            + " path:/folder for a CUDA build, or compute on the"
                                            + " CPU"));
        }
        return Device.gpu(index);
    }

    /** The kind of device that ranks which are processes compute on: the same for all of them. */
    String kind(DeviceChoice choice) {
        return choice.isCpu() || choice.indices().isEmpty() && visible == 0 ? "cpu" : "gpu";
    }
}
