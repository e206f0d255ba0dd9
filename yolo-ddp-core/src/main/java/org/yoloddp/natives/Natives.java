package org.yoloddp.natives;

import ai.djl.engine.Engine;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Loads the native libraries: one libtorch for both DJL and JavaCPP's binding, and OpenCV.
 *
 * <p>Two libtorch in one process abort the JVM. So exactly one is taken, whoever was first:
 *
 * <ul>
 *   <li>none is loaded yet: the source asked for, which by default is the one inside the binding's
 *       jar (DJL is then pointed at it);
 *   <li>the application has started DJL: DJL's, which is the one inside the binding's jar as well
 *       unless the user chose otherwise ({@link SharedTorchEngineProvider});
 *   <li>the application has loaded the binding: the binding's.
 * </ul>
 *
 * <p>System properties that are set on the way (library paths, PYTORCH_*, JavaCPP's) are put back,
 * and so is the calling thread's grad mode. JavaCPP's limit on the memory of the whole process is
 * switched off, unless {@code org.bytedeco.javacpp.maxPhysicalBytes} is set: it counts libtorch's
 * and OpenCV's memory against the Java heap and fails far too early.
 */
public final class Natives {

    private static final Logger logger = LoggerFactory.getLogger(Natives.class);

    // A native library is loaded once per process, so what is known of it is static.
    private static volatile @Nullable NativeReport torch;
    private static volatile @Nullable Path openCv;
    private static @Nullable NativeLibraryException failure;

    private Natives() {}

    /**
     * Loads libtorch from the source that the system property {@value LibtorchSource#PROPERTY}
     * names, if that has not been done.
     *
     * @return what is loaded
     * @throws NativeLibraryException if it cannot be loaded; a later call fails in the same way
     */
    public static NativeReport start() {
        NativeReport report = torch;
        return report != null ? report : start(configured());
    }

    /**
     * Loads libtorch from a source, if that has not been done.
     *
     * @param asked where from, or null to take what is there, by default JavaCPP's
     * @return what is loaded
     * @throws NativeLibraryException if it cannot be loaded, or another one is loaded already
     */
    public static synchronized NativeReport start(@Nullable LibtorchSource asked) {
        NativeReport report = torch;
        if (report != null) {
            if (asked != null && !asked.equals(report.source())) {
                Path file = report.libtorch();
                throw NativeLibraryException.alreadyLoaded(
                        asked, file == null ? Path.of("libtorch_cpu") : file);
            }
            return report;
        }
        if (failure != null) {
            throw failure;
        }
        try {
            report = new TorchLoader(Natives.class.getClassLoader()).load(asked);
        } catch (NativeLibraryException e) {
            failure = e;
            throw e;
        }
        torch = report;
        logger.info(
                "libtorch {} from {} ({})",
                report.libtorchVersion(),
                report.libtorch(),
                report.source());
        JavaCpp.warnOfMemoryLimit();
        return report;
    }

    /**
     * Loads OpenCV, if that has not been done.
     *
     * @throws NativeLibraryException if it cannot be loaded
     */
    public static void openCv() {
        if (openCv == null) {
            loadOpenCv();
        }
    }

    private static synchronized void loadOpenCv() {
        if (openCv == null) {
            openCv = OpenCvLoader.load(Natives.class.getClassLoader());
        }
    }

    /**
     * Tells whether libtorch has been loaded by this class.
     *
     * @return false before {@link #start()}
     */
    public static boolean isStarted() {
        return torch != null;
    }

    /**
     * Tells, without loading anything, whether libtorch can only be one for the CPU: that inside
     * the binding's jar.
     *
     * @return false if it is, or would be, DJL's or a folder's, which may be built for CUDA
     */
    public static boolean isForCpuOnly() {
        NativeReport started = torch;
        LibtorchSource source = started == null ? configured() : started.source();
        if (source != null) {
            return source.kind() == LibtorchSource.Kind.JAVACPP;
        }
        return TorchLoader.environment(TorchLoader.FOLDER) == null
                && !LoadedTorch.find(NativePlatform.current()).djl();
    }

    /** Whether the calling thread is inside of {@link #start()}. */
    static boolean isStarting() {
        return Thread.holdsLock(Natives.class);
    }

    /**
     * Reports what is loaded now, without loading anything.
     *
     * @return the natives of this process
     * @throws NativeLibraryException if this platform has none
     */
    public static NativeReport report() {
        NativeReport started = torch;
        Path vision = openCv;
        NativePlatform platform = NativePlatform.current();
        ClassLoader loader = Natives.class.getClassLoader();
        LibtorchSource asked = configured();
        return new NativeReport(
                platform.javacpp,
                started != null
                        ? started.source()
                        : asked == null ? LibtorchSource.javacpp() : asked,
                started == null ? null : started.libtorch(),
                started == null ? null : started.libtorchVersion(),
                started != null && started.verified(),
                NativeJars.version(loader, "org.bytedeco", "pytorch"),
                Engine.getDjlVersion(),
                vision,
                NativeJars.version(loader, "org.bytedeco", "opencv"),
                Glibc.version(),
                AllocatorSettings.current());
    }

    private static @Nullable LibtorchSource configured() {
        String text = System.getProperty(LibtorchSource.PROPERTY);
        return text == null ? null : LibtorchSource.parse(text);
    }
}
