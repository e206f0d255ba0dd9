package org.yoloddp.natives;

import java.io.File;
import java.io.IOException;
import java.lang.reflect.Field;
import java.nio.file.Path;
import java.util.Map;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.Pointer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The only place that loads anything by JavaCPP's {@link Loader}. */
final class JavaCpp {

    private static final Logger logger = LoggerFactory.getLogger(JavaCpp.class);

    private static final String MAX_PHYSICAL_BYTES = "org.bytedeco.javacpp.maxPhysicalBytes";
    private static final String PATHS_FIRST = "org.bytedeco.javacpp.pathsFirst";
    private static final String LIBRARY_PATH = "java.library.path";

    private JavaCpp() {}

    /**
     * Loads a class of natives. JavaCPP reads its limits once, when its first pointer class is
     * initialised, which for most applications is here.
     */
    static @Nullable String load(Class<?> type) {
        try (PropertyScope properties = new PropertyScope()) {
            properties.setDefault(MAX_PHYSICAL_BYTES, "0");
            return Loader.load(type);
        } catch (UnsatisfiedLinkError | NoClassDefFoundError | ExceptionInInitializerError e) {
            throw Failures.explain(type.getSimpleName(), e);
        }
    }

    /** Loads a class of natives whose dependencies are to come from a folder. */
    static @Nullable String loadFrom(Path folder, Class<?> type) {
        try (PropertyScope properties = new PropertyScope()) {
            properties.set(PATHS_FIRST, "true");
            String old = System.getProperty(LIBRARY_PATH, "");
            properties.set(
                    LIBRARY_PATH,
                    old.isEmpty() ? folder.toString() : folder + File.pathSeparator + old);
            try (OtherLibtorch other = new OtherLibtorch(folder)) {
                return load(type);
            }
        }
    }

    /** JavaCPP reads its limit once; if it was used before, it is too late to lift it. */
    static void warnOfMemoryLimit() {
        long limit = Pointer.maxPhysicalBytes();
        if (limit > 0 && System.getProperty(MAX_PHYSICAL_BYTES) == null) {
            logger.warn(
                    "JavaCPP was used before yolo-ddp was started, and will throw an"
                            + " OutOfMemoryError once this process has {} MB;"
                            + " start the JVM with -D{}=0",
                    limit >> 20,
                    MAX_PHYSICAL_BYTES);
        }
    }

    /** Whether this class loader's JavaCPP has loaded a library. */
    static boolean hasLoaded(String library) {
        return loadedFolder(library) != null;
    }

    /** Where this class loader's JavaCPP has loaded a library from, or null if it has not. */
    static @Nullable Path loadedFolder(String library) {
        for (Map.Entry<String, String> loaded : Loader.getLoadedLibraries().entrySet()) {
            if (loaded.getKey().startsWith(library)) {
                return Path.of(loaded.getValue()).getParent();
            }
        }
        return null;
    }

    /**
     * The Loader reads {@code pathsFirst} once, into a static field. Where another class of JavaCPP
     * (OpenCV's, say) came before, only that field helps; without it the JVM would abort over a
     * second libtorch.
     *
     * <p>In its cache the Loader replaces its own libtorch by links to the other one, under the
     * feet of processes that use it. So the cache is another one meanwhile.
     */
    private static final class OtherLibtorch implements AutoCloseable {

        private final Field pathsFirst;
        private final Field cacheDir;
        private final boolean pathsFirstBefore;
        private final File cacheDirBefore;

        OtherLibtorch(Path folder) {
            try {
                cacheDirBefore = Loader.getCacheDir();
                pathsFirst = accessible("pathsFirst");
                cacheDir = accessible("cacheDir");
                pathsFirstBefore = pathsFirst.getBoolean(null);
                pathsFirst.setBoolean(null, true);
                String name = "libtorch-" + Integer.toHexString(folder.toString().hashCode());
                File other = new File(cacheDirBefore, name);
                if (other.isDirectory() || other.mkdirs()) {
                    cacheDir.set(null, other);
                }
                if (!pathsFirst.getBoolean(null)) {
                    throw NativeLibraryException.pathsNotFirst(folder);
                }
            } catch (ReflectiveOperationException | IOException | RuntimeException e) {
                throw NativeLibraryException.pathsNotFirst(folder);
            }
        }

        private static Field accessible(String name) throws NoSuchFieldException {
            Field field = Loader.class.getDeclaredField(name);
            field.setAccessible(true);
            return field;
        }

        @Override
        public void close() {
            try {
                pathsFirst.setBoolean(null, pathsFirstBefore);
                cacheDir.set(null, cacheDirBefore);
            } catch (ReflectiveOperationException e) {
                throw new IllegalStateException(e);
            }
        }
    }
}
