package org.yoloddp.nccl;

import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.yoloddp.natives.NativeLibraryException;

/**
 * NCCL, or what it needs, is not there or cannot be used. The message lists what was tried, and
 * says what to do.
 */
public final class NcclLibraryException extends NativeLibraryException {

    private static final long serialVersionUID = 1L;

    private static final String GPUS = " See \"On GPUs\" in yolo-ddp's README.";
    private static final int STUB = 34;
    private static final int OLD_DRIVER = 35;
    private static final int NO_DEVICE = 100;

    private NcclLibraryException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }

    private static NcclLibraryException of(String what, List<String> tried, String advice) {
        StringBuilder text = new StringBuilder(what).append(". Tried:");
        tried.forEach(line -> text.append("\n  ").append(line));
        return new NcclLibraryException(text + "\n" + advice + GPUS, null);
    }

    static NcclLibraryException otherPlatform(String platform) {
        return new NcclLibraryException(
                "NCCL exists for Linux on x86_64 only, and this is "
                        + platform
                        + "; use the communicator 'tcp', or threads."
                        + GPUS,
                null);
    }

    static NcclLibraryException noBinding() {
        return new NcclLibraryException(
                "The binding of NCCL is not on the class path; add to the pom:\n"
                        + "<dependency>\n"
                        + "    <groupId>org.bytedeco</groupId>\n"
                        + "    <artifactId>cuda</artifactId>\n"
                        + "    <version>12.9-9.10-1.5.12</version>\n"
                        + "    <classifier>linux-x86_64</classifier>\n"
                        + "</dependency>",
                null);
    }

    static NcclLibraryException noDriver(List<String> tried) {
        return of(
                "The driver of NVIDIA GPUs, libcuda.so.1, is not here",
                tried,
                "Install the driver (in a container: start it with --gpus all), or train on the"
                        + " CPU.");
    }

    static NcclLibraryException noRuntime(int major, List<String> tried) {
        return of(
                "CUDA's runtime, libcudart.so." + major + ", is not here",
                tried,
                "Start with a CUDA libtorch, which brings it (-Dyoloddp.libtorch=path:/folder), or"
                        + " give its file by -D"
                        + NcclOptions.CUDART
                        + "=/file.");
    }

    static NcclLibraryException otherMajor(Path file, String version, String binding) {
        String major = binding.substring(0, binding.indexOf('.'));
        return new NcclLibraryException(
                "CUDA's runtime "
                        + file
                        + " is of version "
                        + version
                        + ", and the binding org.bytedeco:cuda:"
                        + binding
                        + " on the class path is for CUDA "
                        + major
                        + ". Use a libtorch for CUDA "
                        + major
                        + ", or the version of org.bytedeco:cuda (jar and linux-x86_64 classifier)"
                        + " that is for your CUDA, such as 13.1-9.19-1.5.13 for CUDA 13."
                        + GPUS,
                null);
    }

    static NcclLibraryException noDevice(Path runtime, int code, String text) {
        String advice =
                switch (code) {
                    case STUB ->
                            "The libcuda.so.1 that was found is the stub that programs are linked"
                                    + " against, not a driver. Take the folder 'stubs' out of"
                                    + " LD_LIBRARY_PATH.";
                    case OLD_DRIVER ->
                            "The driver is older than this CUDA needs, or libcuda.so.1 is not a"
                                    + " driver's. Install a newer driver, or a libtorch for an"
                                    + " older CUDA.";
                    case 0, NO_DEVICE ->
                            "Look at 'nvidia-smi' and CUDA_VISIBLE_DEVICES; a container needs"
                                    + " --gpus all.";
                    default -> "Look at 'nvidia-smi', which should show the GPUs.";
                };
        return new NcclLibraryException(
                "There is no GPU to work on: "
                        + text
                        + (code == 0 ? "" : " (cudaError " + code + ")")
                        + ", says "
                        + runtime
                        + ". "
                        + advice
                        + GPUS,
                null);
    }

    static NcclLibraryException noNccl(List<String> tried) {
        return of(
                "NCCL, libnccl.so.2, is not here",
                tried,
                "Start with a CUDA libtorch, which brings it (-Dyoloddp.libtorch=path:/folder), or"
                        + " give its file by -D"
                        + NcclOptions.LIBRARY
                        + "=/file.");
    }

    static NcclLibraryException badChoice(String property, List<String> tried) {
        return of(
                "The library that " + property + " chooses cannot be opened",
                tried,
                "Correct the file, or leave " + property + " out.");
    }

    static NcclLibraryException otherLoaded(String property, Path asked, Path loaded) {
        return new NcclLibraryException(
                property
                        + " asks for "
                        + asked
                        + ", but this process has already loaded "
                        + loaded
                        + ", and a process has one only. Leave "
                        + property
                        + " out, or start the JVM with LD_PRELOAD="
                        + asked
                        + ", which libtorch then uses too."
                        + GPUS,
                null);
    }

    static NcclLibraryException tooOld(Path file, int version) {
        return new NcclLibraryException(
                file
                        + " is NCCL "
                        + NcclVersion.text(version)
                        + ", and at least "
                        + NcclVersion.text(NcclVersion.OLDEST)
                        + " is needed, whose communicators can be aborted. Give a newer one by -D"
                        + NcclOptions.LIBRARY
                        + "=/file."
                        + GPUS,
                null);
    }

    static NcclLibraryException incomplete(
            String what, Path file, List<String> functions, String property) {
        return new NcclLibraryException(
                what
                        + " from "
                        + file
                        + " lacks "
                        + String.join(", ", functions)
                        + ", and calling it would end the JVM. Give a complete one by -D"
                        + property
                        + "=/file."
                        + GPUS,
                null);
    }

    static NcclLibraryException lacks(Path file, int version, NcclFunction function) {
        return new NcclLibraryException(
                function.symbol()
                        + " came with NCCL "
                        + NcclVersion.text(function.since())
                        + ", and "
                        + file
                        + " is "
                        + NcclVersion.text(version)
                        + ". Give a newer one by -D"
                        + NcclOptions.LIBRARY
                        + "=/file."
                        + GPUS,
                null);
    }

    static NcclLibraryException unbound(Path file, NativeLibraryException cause) {
        return new NcclLibraryException(
                "The binding of NCCL cannot be loaded over "
                        + file
                        + ": "
                        + cause.getMessage()
                        + GPUS,
                cause);
    }

    static NcclLibraryException otherBound(Path file, int version, int bound) {
        return new NcclLibraryException(
                "The binding calls another NCCL, of version "
                        + NcclVersion.text(bound)
                        + ", than "
                        + file
                        + ", of version "
                        + NcclVersion.text(version)
                        + ": a libnccl.so.2 was loaded before. Give its file by -D"
                        + NcclOptions.LIBRARY
                        + "=/file, or start the JVM with LD_PRELOAD="
                        + file
                        + "."
                        + GPUS,
                null);
    }
}
