package org.yoloddp.natives;

import java.io.File;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.lang.reflect.Field;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Map;
import java.util.Properties;
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
            try (OtherCache cache = OtherCache.ofLibtorch(folder)) {
                return load(type);
            }
        }
    }

    /**
     * Loads bindings whose dependencies are open already. The Loader looks for each of these again,
     * at places where another one may be (a CUDA toolkit's): so it is shown links to the open ones,
     * in a folder that it searches instead. The system's linker takes what is open under the name
     * that the binding is linked against; what is open under another name (NCCL within a libtorch)
     * it finds by links beside the binding's own library, and sees that the file is open.
     */
    static void loadOver(
            String cache, Map<String, DynamicLibrary> libraries, Class<?>... bindings) {
        try (PropertyScope properties = new PropertyScope();
                OtherCache other = OtherCache.of(cache)) {
            properties.setDefault(MAX_PHYSICAL_BYTES, "0");
            Path links = other.folder.toPath().resolve("links");
            for (Map.Entry<String, DynamicLibrary> library : libraries.entrySet()) {
                link(links.resolve(library.getKey()), library.getValue().file());
            }
            Properties platform = Loader.loadProperties(Loader.getPlatform(), null);
            platform.setProperty("platform.linkpath", links.toString());
            for (Class<?> binding : bindings) {
                Path beside = folderOf(binding);
                for (Map.Entry<String, DynamicLibrary> library : libraries.entrySet()) {
                    link(beside.resolve(library.getKey()), library.getValue().file());
                }
                Loader.load(binding, platform, false);
            }
        } catch (IOException e) {
            throw Failures.explain(cache, e);
        } catch (UnsatisfiedLinkError | NoClassDefFoundError | ExceptionInInitializerError e) {
            throw Failures.explain(cache, e);
        }
    }

    /** Where the Loader keeps a binding's own library; unpacks it there. */
    private static Path folderOf(Class<?> binding) throws IOException {
        String packageName = binding.getPackageName();
        String name =
                "/"
                        + packageName.substring(0, packageName.lastIndexOf('.')).replace('.', '/')
                        + "/"
                        + Loader.getPlatform()
                        + "/"
                        + System.mapLibraryName("jni" + binding.getSimpleName());
        File library = Loader.cacheResource(binding, name);
        if (library == null) {
            throw new FileNotFoundException(name + " is not on the class path");
        }
        return library.toPath().getParent();
    }

    /** Other processes may do the same at the same time. */
    private static void link(Path link, Path file) {
        try {
            Files.createDirectories(link.getParent());
            if (!Files.isSymbolicLink(link) || !Files.readSymbolicLink(link).equals(file)) {
                Path fresh =
                        link.resolveSibling(
                                link.getFileName() + "." + ProcessHandle.current().pid());
                Files.deleteIfExists(fresh);
                Files.createSymbolicLink(fresh, file);
                Files.move(fresh, link, StandardCopyOption.ATOMIC_MOVE);
            }
        } catch (IOException e) {
            throw NativeLibraryException.noLinks(link.getParent(), e);
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
    private static final class OtherCache implements AutoCloseable {

        final File folder;
        private final Field pathsFirst;
        private final Field cacheDir;
        private final boolean pathsFirstBefore;
        private final File cacheDirBefore;

        private OtherCache(String name, boolean paths)
                throws ReflectiveOperationException, IOException {
            cacheDirBefore = Loader.getCacheDir();
            pathsFirst = accessible("pathsFirst");
            cacheDir = accessible("cacheDir");
            pathsFirstBefore = pathsFirst.getBoolean(null);
            pathsFirst.setBoolean(null, paths);
            folder = new File(cacheDirBefore, name);
            if (folder.isDirectory() || folder.mkdirs()) {
                cacheDir.set(null, folder);
            }
        }

        static OtherCache ofLibtorch(Path folder) {
            String name = "libtorch-" + Integer.toHexString(folder.toString().hashCode());
            try {
                OtherCache cache = new OtherCache(name, true);
                if (!cache.pathsFirst.getBoolean(null)) {
                    throw NativeLibraryException.pathsNotFirst(folder);
                }
                return cache;
            } catch (ReflectiveOperationException | IOException | RuntimeException e) {
                throw NativeLibraryException.pathsNotFirst(folder);
            }
        }

        static OtherCache of(String name) {
            try {
                return new OtherCache(name, false);
            } catch (ReflectiveOperationException | IOException | RuntimeException e) {
                throw Failures.explain(name, e);
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
