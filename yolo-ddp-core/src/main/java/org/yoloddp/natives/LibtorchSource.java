package org.yoloddp.natives;

import java.nio.file.Path;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.yoloddp.error.ConfigurationException;

/**
 * Where the one libtorch of this process comes from.
 *
 * <p>The system property {@value #PROPERTY} holds {@code javacpp}, {@code djl} or {@code
 * path:/folder}.
 *
 * @param kind who brings it
 * @param folder the folder that holds it, for {@link Kind#PATH} only
 */
public record LibtorchSource(Kind kind, @Nullable Path folder) {

    /** The system property that chooses a source. */
    public static final String PROPERTY = "yoloddp.libtorch";

    /** Who brings libtorch. */
    public enum Kind {
        /** The one inside JavaCPP's jar, the default. */
        JAVACPP,
        /** DJL's own: of a native jar, or downloaded by DJL. */
        DJL,
        /** A given folder, above all one with a CUDA libtorch. */
        PATH
    }

    /**
     * Checks that a folder is given exactly where one is needed.
     *
     * @param kind who brings it
     * @param folder the folder that holds it, for {@link Kind#PATH} only
     */
    public LibtorchSource {
        Objects.requireNonNull(kind, "kind");
        if ((kind == Kind.PATH) != (folder != null)) {
            throw new ConfigurationException(
                    "a libtorch source of kind " + kind + " cannot have the folder " + folder);
        }
    }

    /**
     * Returns the libtorch inside JavaCPP's jar.
     *
     * @return the default source
     */
    public static LibtorchSource javacpp() {
        return new LibtorchSource(Kind.JAVACPP, null);
    }

    /**
     * Returns DJL's own libtorch.
     *
     * @return the source
     */
    public static LibtorchSource djl() {
        return new LibtorchSource(Kind.DJL, null);
    }

    /**
     * Returns the libtorch of a folder.
     *
     * @param folder holds libtorch_cpu and the libraries beside it
     * @return the source
     */
    public static LibtorchSource path(Path folder) {
        return new LibtorchSource(Kind.PATH, folder);
    }

    /**
     * Reads the form that the system property has.
     *
     * @param text {@code javacpp}, {@code djl} or {@code path:/folder}
     * @return the source
     * @throws ConfigurationException if it is none of these
     */
    public static LibtorchSource parse(String text) {
        if (text.equals("javacpp")) {
            return javacpp();
        }
        if (text.equals("djl")) {
            return djl();
        }
        if (text.startsWith("path:") && text.length() > "path:".length()) {
            return path(Path.of(text.substring("path:".length())));
        }
        throw new ConfigurationException(
                PROPERTY + " is '" + text + "'; allowed are javacpp, djl and path:/folder");
    }

    @Override
    public String toString() {
        return switch (kind) {
            case JAVACPP -> "javacpp";
            case DJL -> "djl";
            case PATH -> "path:" + folder;
        };
    }
}
