package org.yoloddp.natives;

import java.util.Locale;

/** The platforms on which all the native jars exist. */
enum NativePlatform {
    LINUX_X86_64("linux-x86_64", "linux-x86_64"),
    MACOSX_ARM64("macosx-arm64", "osx-aarch64"),
    WINDOWS_X86_64("windows-x86_64", "win-x86_64");

    /** JavaCPP's name, also the classifier of its jars. */
    final String javacpp;

    /** DJL's name for the same. */
    final String djl;

    NativePlatform(String javacpp, String djl) {
        this.javacpp = javacpp;
        this.djl = djl;
    }

    static NativePlatform current() {
        return of(System.getProperty("os.name", ""), System.getProperty("os.arch", ""));
    }

    static NativePlatform of(String osName, String osArch) {
        String os = osName.toLowerCase(Locale.ROOT);
        String arch = osArch.toLowerCase(Locale.ROOT);
        boolean intel = arch.equals("amd64") || arch.equals("x86_64");
        boolean arm = arch.equals("aarch64") || arch.equals("arm64");
        if (os.startsWith("linux") && intel) {
            return LINUX_X86_64;
        }
        if (os.startsWith("mac") && arm) {
            return MACOSX_ARM64;
        }
        if (os.startsWith("windows") && intel) {
            return WINDOWS_X86_64;
        }
        throw NativeLibraryException.unsupportedPlatform(osName, osArch);
    }
}
