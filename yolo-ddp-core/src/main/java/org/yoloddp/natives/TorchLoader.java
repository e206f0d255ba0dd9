package org.yoloddp.natives;

import ai.djl.engine.Engine;
import ai.djl.engine.EngineException;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.pytorch.jni.LibUtils;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;
import org.yoloddp.natives.LibtorchSource.Kind;

/**
 * Brings DJL and the binding onto one libtorch.
 *
 * <p>What is mapped already decides: a library that is there can only be joined. The binding takes
 * libtorch from its own jar unless {@code pathsFirst} and {@code java.library.path} say otherwise,
 * and two copies abort the JVM ("Tried to register multiple backend fallbacks"). So every check is
 * made before the load that could do that.
 */
final class TorchLoader {

    static final String FOLDER = "PYTORCH_LIBRARY_PATH";
    private static final String FLAVOR = "PYTORCH_FLAVOR";

    private final ClassLoader loader;
    private final NativePlatform platform;

    TorchLoader(ClassLoader loader) {
        this.loader = loader;
        this.platform = NativePlatform.current();
    }

    NativeReport load(@Nullable LibtorchSource asked) {
        Glibc.check();
        NativeJars.checkTorch(platform, loader);
        Thread thread = Thread.currentThread();
        ClassLoader context = thread.getContextClassLoader();
        // DJL finds its engines by the context class loader
        thread.setContextClassLoader(loader);
        try (PropertyScope properties = new PropertyScope()) {
            LibtorchSource source = join(asked, properties);
            return verified(source);
        } catch (EngineException | LinkageError e) {
            throw Failures.explain("libtorch", e);
        } finally {
            thread.setContextClassLoader(context);
        }
    }

    private LibtorchSource join(@Nullable LibtorchSource asked, PropertyScope properties) {
        LoadedTorch loaded = LoadedTorch.find(platform);
        Path file = loaded.file();
        if (file == null) {
            return fresh(asked, properties);
        }
        boolean binding = loaded.binding();
        boolean djl = loaded.djl();
        if (binding && !JavaCpp.hasLoaded("jnitorch")) {
            throw NativeLibraryException.otherClassLoader(file.toString(), null);
        }
        LibtorchSource present = present(file, binding, djl);
        if (asked != null && !agrees(asked, present, file)) {
            throw NativeLibraryException.alreadyLoaded(asked, file);
        }
        boolean gradMode = binding && org.bytedeco.pytorch.GradMode.is_enabled();
        pointDjlAt(file.getParent(), properties);
        startDjl();
        if (binding && !djl) {
            JniUtils.setGradMode(gradMode);
        }
        if (!binding) {
            bindTo(file.getParent());
        }
        return present;
    }

    private static LibtorchSource present(Path file, boolean binding, boolean djl) {
        boolean ofBinding = file.toString().contains("bytedeco");
        if (ofBinding || binding && !djl) {
            return LibtorchSource.javacpp();
        }
        return djl ? LibtorchSource.djl() : LibtorchSource.path(file.getParent());
    }

    private static boolean agrees(LibtorchSource asked, LibtorchSource present, Path file) {
        if (asked.kind() == Kind.PATH) {
            Path folder = asked.folder();
            return folder != null && real(folder).equals(real(file.getParent()));
        }
        return asked.kind() == present.kind();
    }

    /** Nothing is loaded yet, so any source is possible. */
    private LibtorchSource fresh(@Nullable LibtorchSource asked, PropertyScope properties) {
        String folder = environment(FOLDER);
        LibtorchSource source = asked;
        if (source == null) {
            // whoever has pointed DJL at a folder means that one
            source =
                    folder == null
                            ? LibtorchSource.javacpp()
                            : LibtorchSource.path(Path.of(folder));
        }
        switch (source.kind()) {
            case JAVACPP -> {
                if (folder != null) {
                    throw NativeLibraryException.conflictingFolder(source, folder);
                }
                String jni = JavaCpp.load(torch.class);
                Path file = MappedLibraries.read().first(NativeJars.library(platform, "torch_cpu"));
                Path inside = file != null ? file.getParent() : Path.of(jni).getParent();
                pointDjlAt(inside, properties);
                startDjl();
            }
            case DJL -> {
                startOwnDjl();
                bindTo(Path.of(LibUtils.getLibtorchPath()));
            }
            default -> {
                Path given = real(source.folder());
                if (folder != null && !real(Path.of(folder)).equals(given)) {
                    throw NativeLibraryException.conflictingFolder(source, folder);
                }
                checkFolder(given);
                pointDjlAt(given, properties);
                startDjl();
                bindTo(given);
            }
        }
        // DJL switches it off for the thread that starts the engine
        JniUtils.setGradMode(true);
        return source;
    }

    private void bindTo(Path folder) {
        checkFolder(folder);
        JavaCpp.loadFrom(folder, torch.class);
    }

    /**
     * JavaCPP takes each library that is not here from its own jar, which would be a second one.
     */
    private void checkFolder(Path folder) {
        for (String name : new String[] {"c10", "torch_cpu", "torch"}) {
            String file = NativeJars.library(platform, name);
            if (!Files.exists(folder.resolve(file))) {
                throw NativeLibraryException.incompleteFolder(folder, file);
            }
        }
    }

    private static void pointDjlAt(Path folder, PropertyScope properties) {
        properties.set(FOLDER, folder.toString());
        if (environment(FLAVOR) == null) {
            properties.set(FLAVOR, "cpu");
        }
    }

    /** DJL looks for a native jar, and downloads one if there is none. */
    private void startOwnDjl() {
        try {
            startDjl();
        } catch (EngineException e) {
            throw Failures.isOfOtherClassLoader(e)
                    ? NativeLibraryException.otherClassLoader("DJL's libtorch", e)
                    : NativeLibraryException.missingDjl(
                            NativeJars.library(platform, "torch_cpu"),
                            NativeJars.dependency(
                                    "ai.djl.pytorch",
                                    "pytorch-native-cpu",
                                    NativeJars.release(NativeJars.BINDING_VERSION),
                                    platform.djl),
                            e);
        }
    }

    private static void startDjl() {
        Engine.getEngine("PyTorch");
    }

    private NativeReport verified(LibtorchSource source) {
        boolean known = MappedLibraries.known();
        List<Path> files = MappedLibraries.read().named(NativeJars.library(platform, "torch_cpu"));
        if (files.size() > 1) {
            throw NativeLibraryException.several(files);
        }
        return new NativeReport(
                platform.javacpp,
                source,
                files.isEmpty() ? null : files.get(0),
                LibUtils.getVersion(),
                known && files.size() == 1,
                NativeJars.version(loader, "org.bytedeco", "pytorch"),
                Engine.getDjlVersion(),
                null,
                null,
                Glibc.version(),
                AllocatorSettings.current());
    }

    static @Nullable String environment(String name) {
        String value = System.getenv(name);
        return value != null ? value : System.getProperty(name);
    }

    private static Path real(Path folder) {
        try {
            return folder.toRealPath();
        } catch (java.io.IOException e) {
            return folder.toAbsolutePath().normalize();
        }
    }
}
