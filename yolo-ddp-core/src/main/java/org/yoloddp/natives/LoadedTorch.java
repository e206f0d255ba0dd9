package org.yoloddp.natives;

import ai.djl.pytorch.jni.LibUtils;
import java.lang.reflect.Field;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The libtorch that this process has before we load one.
 *
 * @param file of libtorch_cpu, or null if there is none
 * @param binding whether JavaCPP's binding is loaded
 * @param djl whether DJL's is
 */
record LoadedTorch(@Nullable Path file, boolean binding, boolean djl) {

    static LoadedTorch find(NativePlatform platform) {
        String name = NativeJars.library(platform, "torch_cpu");
        return MappedLibraries.known() ? ofMaps(name) : ofBindings(name);
    }

    /** What the system says; sees all class loaders. */
    static LoadedTorch ofMaps(String name) {
        MappedLibraries mapped = MappedLibraries.read();
        List<Path> files = mapped.named(name);
        if (files.size() > 1) {
            throw NativeLibraryException.several(files);
        }
        return new LoadedTorch(
                files.isEmpty() ? null : files.get(0),
                mapped.first("libjnitorch") != null,
                mapped.first("libdjl_torch") != null);
    }

    /** What DJL and JavaCPP of this class loader remember, where the system does not say. */
    static LoadedTorch ofBindings(String name) {
        boolean djl = djlHasLoaded();
        Path binding = JavaCpp.loadedFolder("jnitorch");
        Path folder = djl ? Path.of(LibUtils.getLibtorchPath()) : binding;
        return new LoadedTorch(folder == null ? null : folder.resolve(name), binding != null, djl);
    }

    /** Asking DJL itself would make it look for a library, or download one. */
    private static boolean djlHasLoaded() {
        try {
            Field field = LibUtils.class.getDeclaredField("libTorch");
            field.setAccessible(true);
            return field.get(null) != null;
        } catch (ReflectiveOperationException | RuntimeException e) {
            return false;
        }
    }
}
