package org.yoloddp.nccl;

import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.yoloddp.error.ConfigurationException;

/**
 * Where NCCL comes from, and how its communicators are set up. Immutable.
 *
 * <p>What is left open stays NCCL's choice: the environment variables NCCL_* are read by NCCL
 * itself, and neither set nor changed here.
 */
public final class NcclOptions {

    /** The system property with the file of libnccl. */
    public static final String LIBRARY = "yoloddp.nccl.library";

    /** The system property with the file of libcudart. */
    public static final String CUDART = "yoloddp.nccl.cudart";

    /** The system property with the file of the driver's library, libcuda.so.1. */
    public static final String DRIVER = "yoloddp.nccl.driver";

    /** The system property with the number of steps of {@link #withDetailedSteps}. */
    public static final String DETAILED_STEPS = "yoloddp.nccl.detailedSteps";

    /** For {@link #withDetailedSteps}: all steps. */
    public static final int EVERY_STEP = Integer.MAX_VALUE;

    private static final int MOST_CTAS = 64;

    private final @Nullable Path library;
    private final @Nullable Path cudart;
    private final @Nullable Path driver;
    private final int minCtas;
    private final int maxCtas;
    private final boolean blocking;
    private final int detailedSteps;

    private NcclOptions(
            @Nullable Path library,
            @Nullable Path cudart,
            @Nullable Path driver,
            int minCtas,
            int maxCtas,
            boolean blocking,
            int detailedSteps) {
        this.library = library;
        this.cudart = cudart;
        this.driver = driver;
        this.minCtas = minCtas;
        this.maxCtas = maxCtas;
        this.blocking = blocking;
        this.detailedSteps = detailedSteps;
    }

    /**
     * Returns the defaults: the libraries that the system properties name, which are {@value
     * #LIBRARY}, {@value #CUDART} and {@value #DRIVER}; without these, those that the CUDA libtorch
     * has loaded; without it, the system's. Communicators never block the caller, the ranks compare
     * each collective of the first 100 steps and one hash of each later step, and NCCL chooses the
     * rest.
     *
     * @return the options
     */
    public static NcclOptions defaults() {
        return new NcclOptions(
                property(LIBRARY),
                property(CUDART),
                property(DRIVER),
                0,
                0,
                false,
                Integer.getInteger(DETAILED_STEPS, 100));
    }

    private static @Nullable Path property(String name) {
        String value = System.getProperty(name);
        return value == null || value.isBlank() ? null : Path.of(value.strip());
    }

    /**
     * Chooses libnccl. A process has one: if the CUDA libtorch has loaded another one before, that
     * is an error, and the other one has to be loaded first, by {@code LD_PRELOAD}.
     *
     * @param file libnccl.so.2
     * @return the options with it
     */
    public NcclOptions withLibrary(Path file) {
        return new NcclOptions(file, cudart, driver, minCtas, maxCtas, blocking, detailedSteps);
    }

    /**
     * Chooses CUDA's runtime.
     *
     * @param file libcudart.so, of the major version that the binding is for
     * @return the options with it
     */
    public NcclOptions withCudart(Path file) {
        return new NcclOptions(library, file, driver, minCtas, maxCtas, blocking, detailedSteps);
    }

    /**
     * Chooses the driver's library, where the system's linker does not find it.
     *
     * @param file libcuda.so.1
     * @return the options with it
     */
    public NcclOptions withDriver(Path file) {
        return new NcclOptions(library, cudart, file, minCtas, maxCtas, blocking, detailedSteps);
    }

    /**
     * Limits how many blocks of threads (CTAs, channels) of the GPU a collective takes: more move
     * data faster, fewer leave more of the GPU to the model. Needs NCCL 2.17.
     *
     * @param min the fewest, 1 to 64; 0 leaves it to NCCL
     * @param max the most, {@code min} to 64; 0 leaves it to NCCL
     * @return the options with them
     * @throws ConfigurationException if the numbers do not fit together
     */
    public NcclOptions withCtas(int min, int max) {
        boolean fits = min >= 0 && max >= 0 && min <= MOST_CTAS && max <= MOST_CTAS;
        if (!fits || max > 0 && min > max) {
            throw new ConfigurationException(
                    "A collective cannot take "
                            + min
                            + " to "
                            + max
                            + " CTAs. Give 1 to "
                            + MOST_CTAS
                            + ", the fewest first, or 0 for NCCL's choice.");
        }
        return new NcclOptions(library, cudart, driver, min, max, blocking, detailedSteps);
    }

    /**
     * Lets NCCL's functions block the caller until they are through. A failure of another rank may
     * then keep a thread inside NCCL until that communicator is aborted; so this is for comparing
     * only.
     *
     * @param block whether they block, false by default
     * @return the options with it
     */
    public NcclOptions withBlocking(boolean block) {
        return new NcclOptions(library, cudart, driver, minCtas, maxCtas, block, detailedSteps);
    }

    /**
     * Chooses for how many steps, from the start, the ranks compare each collective as it is asked
     * for. Of a later step they compare one hash at its end, and only if that differs each
     * collective. Either way the optimizer's step is not enqueued before the step before it has
     * matched, and a mismatch names ranks, sequence number and operations.
     *
     * @param steps how many, 100 by default or what the system property {@value #DETAILED_STEPS}
     *     says; {@link #EVERY_STEP} for all
     * @return the options with it
     * @throws ConfigurationException if the number is negative
     */
    public NcclOptions withDetailedSteps(int steps) {
        if (steps < 0) {
            throw new ConfigurationException(
                    "The collectives of " + steps + " steps cannot be compared. Give 0 or more.");
        }
        return new NcclOptions(library, cudart, driver, minCtas, maxCtas, blocking, steps);
    }

    Optional<Path> library() {
        return Optional.ofNullable(library);
    }

    Optional<Path> cudart() {
        return Optional.ofNullable(cudart);
    }

    Optional<Path> driver() {
        return Optional.ofNullable(driver);
    }

    int minCtas() {
        return minCtas;
    }

    int maxCtas() {
        return maxCtas;
    }

    boolean blocking() {
        return blocking;
    }

    int detailedSteps() {
        return detailedSteps;
    }
}
