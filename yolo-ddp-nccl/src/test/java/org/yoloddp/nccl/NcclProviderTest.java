package org.yoloddp.nccl;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import java.util.ServiceLoader;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.yoloddp.comm.CommunicatorProvider;
import org.yoloddp.comm.MemoryDevice;

/** What is told of NCCL's communicator where nothing native is needed. */
class NcclProviderTest {

    @Test
    void itIsFoundByItsName() {
        assertThat(ServiceLoader.load(CommunicatorProvider.class))
                .filteredOn(provider -> provider.name().equals("nccl"))
                .singleElement()
                .isInstanceOf(NcclProvider.class);
    }

    @Test
    void ranksThatCannotWorkTogetherAreToldWhy() {
        assertThat(NcclRefusal.mixedVersions(new TreeMap<>(Map.of(0, 22602, 1, 21805, 2, 22602))))
                .hasMessage(
                        "The ranks have different versions of NCCL: 2.26.2 on ranks 0, 2; 2.18.5 on"
                                + " rank 1. Give all of them one libnccl, by"
                                + " -Dyoloddp.nccl.library=/file or by the same libtorch.");
        assertThat(NcclRefusal.sharedDevice(0, 1, new MemoryDevice("cuda", 0)))
                .hasMessage(
                        "Ranks 0 and 1 are threads of one process and both on cuda:0, which NCCL"
                                + " does not allow. Give each rank a GPU of its own; or, to try"
                                + " several ranks on one GPU, start them as processes, each with an"
                                + " NCCL_HOSTID of its own.");
        assertThat(NcclRefusal.lazyLoading(2, "not set"))
                .hasMessage(
                        "2 ranks are threads of one process, each with a GPU, and"
                                + " CUDA_MODULE_LOADING is not set: CUDA may then load a kernel while"
                                + " NCCL's run, and wait for them for ever. Start the process with"
                                + " CUDA_MODULE_LOADING=EAGER, or one process per GPU.");
        assertThat(NcclRefusal.hostMemory(MemoryDevice.HOST))
                .hasMessage(
                        "The communicator 'nccl' works on the memory of NVIDIA GPUs, not of cpu."
                                + " Train on GPUs, or use the communicator 'tcp', or threads.");
    }
}
