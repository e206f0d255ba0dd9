package org.yoloddp.natives;

import java.io.IOException;
import java.io.InputStream;
import java.net.URL;
import java.util.Properties;
import org.jspecify.annotations.Nullable;

/** The jars that carry natives: whether they are on the class path, and of which version. */
final class NativeJars {

    static final String JAVACPP_VERSION = "1.5.12";
    static final String BINDING_VERSION = "2.7.1-1.5.12";
    static final String OPENBLAS_VERSION = "0.3.30-1.5.12";
    static final String OPENCV_VERSION = "4.11.0-1.5.12";
    static final String DJL_JNI_VERSION = "2.7.1-0.35.1";

    private NativeJars() {}

    /** What every source needs, whether or not its libtorch is the binding's own. */
    static void checkTorch(NativePlatform platform, ClassLoader loader) {
        checkJavaCpp(platform, loader);
        check(platform, loader, "openblas", "openblas", "jniopenblas", OPENBLAS_VERSION);
        check(platform, loader, "pytorch", "pytorch", "jnitorch", BINDING_VERSION);
        String jni = "jnilib/" + platform.djl + "/cpu/" + library(platform, "djl_torch");
        if (loader.getResource(jni) == null) {
            throw NativeLibraryException.missing(
                    library(platform, "djl_torch"),
                    dependency("ai.djl.pytorch", "pytorch-jni", DJL_JNI_VERSION, null));
        }
        String binding = version(loader, "org.bytedeco", "pytorch");
        String djl = property(loader, "jnilib/pytorch.properties", "jni_version");
        if (binding != null && djl != null && !release(binding).equals(release(djl))) {
            throw NativeLibraryException.versionsDisagree(
                    "org.bytedeco:pytorch", binding, "ai.djl.pytorch:pytorch-jni", djl);
        }
    }

    static void checkOpenCv(NativePlatform platform, ClassLoader loader) {
        checkJavaCpp(platform, loader);
        check(platform, loader, "openblas", "openblas", "jniopenblas", OPENBLAS_VERSION);
        check(platform, loader, "opencv", "opencv", "jniopencv_core", OPENCV_VERSION);
    }

    private static void checkJavaCpp(NativePlatform platform, ClassLoader loader) {
        check(platform, loader, "javacpp", "javacpp", "jnijavacpp", JAVACPP_VERSION);
    }

    private static void check(
            NativePlatform platform,
            ClassLoader loader,
            String folder,
            String artifact,
            String library,
            String version) {
        String file = library(platform, library);
        String resource = "org/bytedeco/" + folder + "/" + platform.javacpp;
        // the jar with CUDA has the same library in a folder of its own
        if (loader.getResource(resource + "/" + file) == null
                && loader.getResource(resource + "-gpu/" + file) == null) {
            throw NativeLibraryException.missing(
                    file, dependency("org.bytedeco", artifact, version, platform.javacpp));
        }
    }

    /** The version that Maven wrote into a jar, or null (a fat jar may lack it). */
    static @Nullable String version(ClassLoader loader, String group, String artifact) {
        return property(
                loader, "META-INF/maven/" + group + "/" + artifact + "/pom.properties", "version");
    }

    static String dependency(
            String group, String artifact, String version, @Nullable String classifier) {
        return "<dependency>\n"
                + ("    <groupId>" + group + "</groupId>\n")
                + ("    <artifactId>" + artifact + "</artifactId>\n")
                + ("    <version>" + version + "</version>\n")
                + (classifier == null ? "" : "    <classifier>" + classifier + "</classifier>\n")
                + "</dependency>";
    }

    private static @Nullable String property(ClassLoader loader, String resource, String key) {
        URL url = loader.getResource(resource);
        if (url == null) {
            return null;
        }
        try (InputStream in = url.openStream()) {
            Properties properties = new Properties();
            properties.load(in);
            return properties.getProperty(key);
        } catch (IOException e) {
            return null;
        }
    }

    static String release(String version) {
        int dash = version.indexOf('-');
        return dash < 0 ? version : version.substring(0, dash);
    }

    static String library(NativePlatform platform, String name) {
        return switch (platform) {
            case LINUX_X86_64 -> "lib" + name + ".so";
            case MACOSX_ARM64 -> "lib" + name + ".dylib";
            case WINDOWS_X86_64 -> name + ".dll";
        };
    }
}
