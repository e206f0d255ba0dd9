package org.yoloddp.natives;

import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.yoloddp.error.YoloDdpException;

/** A native library is missing, does not fit, or cannot be loaded into this process. */
public class NativeLibraryException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    /**
     * Creates an exception; for modules that load natives of their own.
     *
     * @param message what is wrong, where, and what to do
     * @param cause what led to it, or null
     */
    protected NativeLibraryException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }

    static NativeLibraryException unsupportedPlatform(String os, String arch) {
        return new NativeLibraryException(
                "there are no native libraries for "
                        + os
                        + " on "
                        + arch
                        + "; supported are linux-x86_64 (glibc), macosx-arm64 and windows-x86_64",
                null);
    }

    static NativeLibraryException glibcTooOld(String found, String needed) {
        return new NativeLibraryException(
                "this system has glibc "
                        + found
                        + ", and the PyTorch binding needs at least "
                        + needed
                        + " (Debian 12, Ubuntu 22.04, RHEL 10 or newer)",
                null);
    }

    static NativeLibraryException missing(String file, String dependency) {
        return new NativeLibraryException(
                "the native library "
                        + file
                        + " is not on the class path; add to the pom:\n"
                        + dependency,
                null);
    }

    static NativeLibraryException versionsDisagree(
            String binding, String bindingVersion, String jni, String jniVersion) {
        return new NativeLibraryException(
                binding
                        + " is of version "
                        + bindingVersion
                        + " and "
                        + jni
                        + " of version "
                        + jniVersion
                        + ", which are for different releases of libtorch; use the versions that"
                        + " yolo-ddp-core declares",
                null);
    }

    static NativeLibraryException several(List<Path> files) {
        return new NativeLibraryException(
                "this process has loaded more than one libtorch: "
                        + files
                        + "; start yolo-ddp before other users of libtorch, or let all use the same"
                        + " folder",
                null);
    }

    static NativeLibraryException alreadyLoaded(LibtorchSource asked, Path loaded) {
        return new NativeLibraryException(
                LibtorchSource.PROPERTY
                        + " asks for "
                        + asked
                        + ", but this process has already loaded "
                        + loaded
                        + "; start yolo-ddp first, or leave the property out",
                null);
    }

    static NativeLibraryException conflictingFolder(LibtorchSource asked, String folder) {
        return new NativeLibraryException(
                LibtorchSource.PROPERTY
                        + " asks for "
                        + asked
                        + ", but PYTORCH_LIBRARY_PATH="
                        + folder
                        + " makes DJL load another one; unset one of the two",
                null);
    }

    static NativeLibraryException incompleteFolder(Path folder, String file) {
        return new NativeLibraryException(
                "the libtorch folder " + folder + " has no " + file + "; give the folder that has",
                null);
    }

    static NativeLibraryException pathsNotFirst(Path folder) {
        return new NativeLibraryException(
                "JavaCPP was initialised before yolo-ddp and cannot be told to take libtorch from "
                        + folder
                        + "; start with -Dorg.bytedeco.javacpp.pathsFirst=true, or call"
                        + " TorchRuntime.start() before any other class of JavaCPP is used",
                null);
    }

    static NativeLibraryException otherClassLoader(String library, @Nullable Throwable cause) {
        return new NativeLibraryException(
                library
                        + " is already loaded by another class loader of this JVM, and a native"
                        + " library can belong to one only; put yolo-ddp, DJL and JavaCPP into a"
                        + " class loader that both share (a server's library folder), or restart"
                        + " the JVM instead of redeploying",
                cause);
    }

    static NativeLibraryException missingDjl(
            String file, String dependency, @Nullable Throwable cause) {
        return new NativeLibraryException(
                "DJL found no "
                        + file
                        + " of its own and could not download one; add to the pom:\n"
                        + dependency
                        + "\nor leave "
                        + LibtorchSource.PROPERTY
                        + " out to use the one of JavaCPP's jar",
                cause);
    }

    static NativeLibraryException failed(String what, @Nullable Throwable cause) {
        return new NativeLibraryException(
                what + " could not be loaded: " + (cause == null ? "unknown reason" : cause),
                cause);
    }

    static NativeLibraryException unopened(String reason) {
        return new NativeLibraryException(reason, null);
    }

    static NativeLibraryException missingFunction(Path file, String function) {
        return new NativeLibraryException(
                file + " has no function " + function + "; use a complete library", null);
    }

    static NativeLibraryException noLinks(Path folder, Throwable cause) {
        return new NativeLibraryException(
                "links to native libraries cannot be made in "
                        + folder
                        + ": "
                        + cause
                        + "; give a folder that can be written by"
                        + " -Dorg.bytedeco.javacpp.cachedir=FOLDER",
                cause);
    }

    static NativeLibraryException unreadable(Path file, Throwable cause) {
        return new NativeLibraryException(file + " cannot be read: " + cause, cause);
    }
}
