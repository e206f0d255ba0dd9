package org.yoloddp.nccl;

import java.nio.charset.StandardCharsets;
import org.yoloddp.natives.DynamicLibrary;

/** Loads NCCL as the system properties say, and prints what comes of it. */
final class LoadNccl {

    private LoadNccl() {}

    public static void main(String[] args) {
        // What a libtorch for CUDA has loaded before.
        for (String file : args) {
            DynamicLibrary.open(file);
        }
        try {
            NcclLibrary library = NcclLibrary.load(NcclOptions.defaults());
            print("file=" + library.file());
            print("version=" + library.version());
            call(library);
            print("report=" + NcclReport.read(NcclOptions.defaults()));
        } catch (NcclLibraryException e) {
            print("refused=" + e.getMessage().replace("\n", "|"));
        }
        print("end=reached");
    }

    private static void call(NcclLibrary library) {
        NcclCall call = NcclCall.of("world", 3, "connect()");
        try {
            print("id=" + library.nccl().getUniqueId(call).length);
        } catch (NcclException e) {
            print("failed=" + e.getMessage());
        }
        try {
            library.nccl().commSplit(call, new NcclComm(), 0, 0, NcclOptions.defaults());
        } catch (NcclException | NcclLibraryException e) {
            print("split=" + e.getMessage());
        }
        try {
            library.cuda().setDevice(0);
            print("device=0");
        } catch (CudaException e) {
            print("cuda=" + e.getMessage());
        }
    }

    private static void print(String line) {
        byte[] bytes = (line + "\n").getBytes(StandardCharsets.UTF_8);
        System.out.write(bytes, 0, bytes.length);
        System.out.flush();
    }
}
