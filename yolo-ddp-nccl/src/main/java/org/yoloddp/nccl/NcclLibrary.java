package org.yoloddp.nccl;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.cuda.global.cudart;
import org.bytedeco.cuda.global.nccl;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.natives.DynamicLibrary;
import org.yoloddp.natives.NativeLibraryException;

/**
 * The NCCL and the CUDA runtime of this process, found, judged and bound once.
 *
 * <p>Two things end a JVM here: a call of a function that the library lacks, and a binding whose
 * libraries are not there when it is initialised in another way than asked. So everything is opened
 * and asked before the binding is loaded: the driver, whether it works, the runtime's version, the
 * version of libnccl (by ncclGetVersion, for a file's name says nothing), and each function that
 * this version is used for. Every failure is an {@link NcclLibraryException} that lists what was
 * tried.
 */
final class NcclLibrary {

    private static final Logger LOG = LoggerFactory.getLogger(NcclLibrary.class);

    // A process has one libnccl, so what is known of it is static.
    private static @Nullable NcclLibrary loaded;

    private final DynamicLibrary file;
    private final DynamicLibrary runtime;
    private final int version;
    private final Nccl nccl;
    private final Cuda cuda;

    private NcclLibrary(DynamicLibrary file, DynamicLibrary runtime, int version) {
        this.file = file;
        this.runtime = runtime;
        this.version = version;
        this.nccl = new Nccl(this);
        this.cuda = new Cuda();
    }

    /**
     * Loads it, if that has not been done.
     *
     * @param options where it comes from
     * @return the one of this process
     * @throws NcclLibraryException if there is none that can be used, or another one is loaded
     */
    static synchronized NcclLibrary load(NcclOptions options) {
        NcclLibrary known = loaded;
        if (known == null) {
            known = find(options);
            loaded = known;
            LOG.info(
                    "NCCL {} from {}, CUDA {} from {}",
                    NcclVersion.text(known.version),
                    known.file,
                    NcclVersion.cudaText(known.cuda.runtimeGetVersion()),
                    known.runtime);
        }
        known.checkIsAsked(options);
        return known;
    }

    private static NcclLibrary find(NcclOptions options) {
        LibrarySearch search = new LibrarySearch(options);
        DynamicLibrary driver = search.driver();
        DynamicLibrary runtime = search.runtime();
        DynamicLibrary file = search.nccl();
        int version = search.version(file);
        Map<String, DynamicLibrary> libraries = new LinkedHashMap<>();
        libraries.put("libcuda.so.1", driver);
        libraries.put("libcudart.so." + search.cudaMajor(), runtime);
        libraries.put("libnccl.so.2", file);
        String cache = "nccl-" + Integer.toHexString(libraries.toString().hashCode());
        try {
            DynamicLibrary.bind(cache, libraries, cudart.class, nccl.class);
        } catch (NativeLibraryException e) {
            throw NcclLibraryException.unbound(file.file(), e);
        }
        NcclLibrary library = new NcclLibrary(file, runtime, version);
        int bound = library.nccl.getVersion(NcclCall.of("", 0, "loading"));
        if (bound != version) {
            throw NcclLibraryException.otherBound(file.file(), version, bound);
        }
        return library;
    }

    private void checkIsAsked(NcclOptions options) {
        options.library()
                .filter(asked -> !LibrarySearch.isSame(asked, file.file()))
                .ifPresent(
                        asked -> {
                            throw NcclLibraryException.otherLoaded(
                                    NcclOptions.LIBRARY, asked, file.file());
                        });
    }

    /** The file of libnccl, or of the libtorch that holds it. */
    Path file() {
        return file.file();
    }

    /** The file of CUDA's runtime. */
    Path runtime() {
        return runtime.file();
    }

    /** Whether this is what tests use in place of the real ones; it works on host memory. */
    boolean isTestDouble() {
        return runtime.has("yoloddp_test_double_set");
    }

    /** What ncclGetVersion says, such as 22602. */
    int version() {
        return version;
    }

    /** Whether this version has a function. */
    boolean has(NcclFunction function) {
        return function.since() <= version;
    }

    /** The functions that this version has, of those that are used. */
    static List<NcclFunction> functionsOf(int version) {
        List<NcclFunction> functions = new ArrayList<>();
        for (NcclFunction function : NcclFunction.values()) {
            if (function.since() <= version) {
                functions.add(function);
            }
        }
        return functions;
    }

    /** Refuses to call what this version lacks. */
    void require(NcclFunction function) {
        if (!has(function)) {
            throw NcclLibraryException.lacks(file.file(), version, function);
        }
    }

    /** NCCL's functions. */
    Nccl nccl() {
        return nccl;
    }

    /** CUDA's functions. */
    Cuda cuda() {
        return cuda;
    }
}
