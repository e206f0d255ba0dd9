package org.yoloddp.nccl;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.yoloddp.natives.DynamicLibrary;
import org.yoloddp.natives.NativeLibraryException;

/**
 * Looks for the three libraries that the binding is linked against, and remembers what it tried.
 *
 * <p>What the process has mapped comes before the system's, for the linker would take it anyway:
 * that is what a CUDA libtorch has loaded. The order is driver, runtime, NCCL, and each is asked
 * whether it can be used before the next is opened.
 */
final class LibrarySearch {

    private static final String PROCESS = "loaded by this process";
    private static final String SYSTEM = "looked for by the system's linker";
    private static final String DRIVER = "libcuda.so.1";
    private static final Pattern MAPPED_DRIVER = Pattern.compile("libcuda\\.so.*");
    private static final Pattern MAPPED_RUNTIME = Pattern.compile("libcudart(-[0-9a-f]+)?\\.so.*");
    private static final Pattern MAPPED_NCCL = Pattern.compile("libnccl(-[0-9a-f]+)?\\.so.*");
    private static final Pattern MAPPED_TORCH = Pattern.compile("libtorch_cuda\\.so");
    private static final String NCCL = "libnccl.so.2";

    private final NcclOptions options;
    private final String binding;
    private final int cudaMajor;

    LibrarySearch(NcclOptions options) {
        this.options = options;
        String os = System.getProperty("os.name", "") + " " + System.getProperty("os.arch", "");
        if (!os.equals("Linux amd64")) {
            throw NcclLibraryException.otherPlatform(os);
        }
        String version = DynamicLibrary.bindingVersion("cuda");
        String natives = "org/bytedeco/cuda/linux-x86_64/libjninccl.so";
        if (version == null || LibrarySearch.class.getClassLoader().getResource(natives) == null) {
            throw NcclLibraryException.noBinding();
        }
        this.binding = version;
        this.cudaMajor = Integer.parseInt(version.substring(0, version.indexOf('.')));
    }

    /** The major version of CUDA that the binding on the class path is for. */
    int cudaMajor() {
        return cudaMajor;
    }

    /** The driver's library, of which nothing is asked yet. */
    DynamicLibrary driver() {
        Tried tried = new Tried();
        DynamicLibrary driver =
                configured(options.driver(), NcclOptions.DRIVER, MAPPED_DRIVER, tried);
        if (driver == null) {
            driver = mapped("libcuda", MAPPED_DRIVER, tried);
        }
        if (driver == null) {
            driver = tried.open(DRIVER, SYSTEM);
        }
        if (driver == null) {
            throw NcclLibraryException.noDriver(tried.lines());
        }
        return driver;
    }

    /** CUDA's runtime, which fits the binding and has found a driver and a device. */
    DynamicLibrary runtime() {
        Tried tried = new Tried();
        DynamicLibrary runtime =
                configured(options.cudart(), NcclOptions.CUDART, MAPPED_RUNTIME, tried);
        if (runtime == null) {
            runtime = mapped("libcudart", MAPPED_RUNTIME, tried);
        }
        if (runtime == null) {
            runtime = tried.open("libcudart.so." + cudaMajor, SYSTEM);
        }
        if (runtime == null) {
            throw otherRuntime(tried)
                    .orElseGet(() -> NcclLibraryException.noRuntime(cudaMajor, tried.lines()));
        }
        checkRuntime(runtime);
        return runtime;
    }

    /** Says so if there is a runtime, but of another major version. */
    private Optional<NcclLibraryException> otherRuntime(Tried tried) {
        for (int major : new int[] {13, 12, 11}) {
            DynamicLibrary other =
                    major == cudaMajor
                            ? null
                            : tried.open(
                                    major == 11 ? "libcudart.so.11.0" : "libcudart.so." + major,
                                    SYSTEM);
            if (other != null) {
                return Optional.of(
                        NcclLibraryException.otherMajor(other.file(), major + "", binding));
            }
        }
        return Optional.empty();
    }

    private void checkRuntime(DynamicLibrary runtime) {
        String getVersion = CudaFunction.RUNTIME_GET_VERSION.symbol();
        int version = runtime.has(getVersion) ? runtime.ask(getVersion).value() : 0;
        if (version != 0 && NcclVersion.cudaMajor(version) != cudaMajor) {
            throw NcclLibraryException.otherMajor(
                    runtime.file(), NcclVersion.cudaText(version), binding);
        }
        List<String> missing = new ArrayList<>();
        String linkedAs = "libcudart.so." + cudaMajor;
        for (CudaFunction function : CudaFunction.values()) {
            if (!runtime.has(function.symbol(), linkedAs)) {
                missing.add(function.symbol() + "@" + linkedAs);
            }
        }
        if (!missing.isEmpty()) {
            throw NcclLibraryException.incomplete(
                    "CUDA's runtime", runtime.file(), missing, NcclOptions.CUDART);
        }
        DynamicLibrary.Answer devices = runtime.ask(CudaFunction.GET_DEVICE_COUNT.symbol());
        if (devices.code() != 0) {
            throw NcclLibraryException.noDevice(
                    runtime.file(),
                    devices.code(),
                    runtime.text(CudaFunction.GET_ERROR_STRING.symbol(), devices.code()));
        }
        if (devices.value() == 0) {
            throw NcclLibraryException.noDevice(runtime.file(), 0, "no device is visible");
        }
    }

    /** NCCL, of which nothing is asked yet. */
    DynamicLibrary nccl() {
        Tried tried = new Tried();
        DynamicLibrary nccl =
                configured(options.library(), NcclOptions.LIBRARY, MAPPED_NCCL, tried);
        if (nccl == null) {
            nccl = mapped("libnccl", MAPPED_NCCL, tried);
        }
        if (nccl == null) {
            nccl = mapped("libtorch_cuda", MAPPED_TORCH, tried);
            if (nccl != null && !nccl.has(NcclFunction.GET_VERSION.symbol())) {
                tried.failed(nccl.toString(), PROCESS, "it holds no NCCL");
                nccl = null;
            }
        }
        if (nccl == null) {
            nccl = tried.open(NCCL, SYSTEM);
        }
        if (nccl == null) {
            throw NcclLibraryException.noNccl(tried.lines());
        }
        return nccl;
    }

    /** Its version, once it is known to be new enough and complete. */
    int version(DynamicLibrary nccl) {
        String getVersion = NcclFunction.GET_VERSION.symbol();
        if (!nccl.has(getVersion)) {
            throw NcclLibraryException.incomplete(
                    "libnccl", nccl.file(), List.of(getVersion), NcclOptions.LIBRARY);
        }
        int version = nccl.ask(getVersion).value();
        if (version < NcclVersion.OLDEST) {
            throw NcclLibraryException.tooOld(nccl.file(), version);
        }
        List<String> missing =
                NcclLibrary.functionsOf(version).stream()
                        .map(NcclFunction::symbol)
                        .filter(symbol -> !nccl.has(symbol))
                        .toList();
        if (!missing.isEmpty()) {
            throw NcclLibraryException.incomplete(
                    "libnccl " + NcclVersion.text(version),
                    nccl.file(),
                    missing,
                    NcclOptions.LIBRARY);
        }
        return version;
    }

    /** The user's choice, which must not lose against what the process has already. */
    private static @Nullable DynamicLibrary configured(
            Optional<Path> file, String property, Pattern mapped, Tried tried) {
        if (file.isEmpty()) {
            return null;
        }
        Path asked = file.get().toAbsolutePath();
        for (Path present : DynamicLibrary.mapped(mapped)) {
            if (!isSame(asked, present)) {
                throw NcclLibraryException.otherLoaded(property, asked, present);
            }
        }
        DynamicLibrary library = tried.open(asked.toString(), property);
        if (library == null) {
            throw NcclLibraryException.badChoice(property, tried.lines());
        }
        return library;
    }

    private static @Nullable DynamicLibrary mapped(String label, Pattern name, Tried tried) {
        List<Path> files = DynamicLibrary.mapped(name);
        if (files.isEmpty()) {
            tried.failed(label, PROCESS, "not loaded");
            return null;
        }
        return tried.open(files.get(0).toString(), PROCESS);
    }

    static boolean isSame(Path a, Path b) {
        try {
            return Files.isSameFile(a, b);
        } catch (IOException e) {
            return a.equals(b);
        }
    }

    /** What was tried, and why it failed. */
    private static final class Tried {

        private final List<String> lines = new ArrayList<>();

        @Nullable DynamicLibrary open(String name, String source) {
            try {
                return DynamicLibrary.open(name);
            } catch (NativeLibraryException e) {
                failed(name, source, e.getMessage());
                return null;
            }
        }

        void failed(String name, String source, String reason) {
            String text = reason.startsWith(name + ": ") ? reason : name + ": " + reason;
            lines.add(source + ": " + text);
        }

        List<String> lines() {
            return List.copyOf(lines);
        }
    }
}
