package org.yoloddp.natives;

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
                    old.isEmpty() ? folder.toString() : folder + java.io.File.pathSeparator + old);
            try (PathsFirst first = PathsFirst.force(folder)) {
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
        Map<String, String> loaded = Loader.getLoadedLibraries();
        return loaded.keySet().stream().anyMatch(name -> name.startsWith(library));
    }

    /**
     * The Loader reads {@code pathsFirst} once, into a static field. Where another class of JavaCPP
     * (OpenCV's, say) came before, only that field helps; without it the JVM would abort over a
     * second libtorch.
     */
    private static final class PathsFirst implements AutoCloseable {

        private final Field field;
        private final boolean before;

        private PathsFirst(Field field, boolean before) {
            this.field = field;
            this.before = before;
        }

        static PathsFirst force(Path folder) {
            try {
                Field field = Loader.class.getDeclaredField("pathsFirst");
                field.setAccessible(true);
                boolean before = field.getBoolean(null);
                field.setBoolean(null, true);
                if (!field.getBoolean(null)) {
                    throw NativeLibraryException.pathsNotFirst(folder);
                }
                return new PathsFirst(field, before);
            } catch (ReflectiveOperationException | RuntimeException e) {
                throw NativeLibraryException.pathsNotFirst(folder);
            }
        }

        @Override
        public void close() {
            try {
                field.setBoolean(null, before);
            } catch (ReflectiveOperationException e) {
                throw new IllegalStateException(e);
            }
        }
    }
}
