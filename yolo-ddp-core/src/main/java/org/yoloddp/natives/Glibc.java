package org.yoloddp.natives;

import com.sun.jna.NativeLibrary;
import org.jspecify.annotations.Nullable;

/** The C library of a Linux system. */
final class Glibc {

    /** What the libtorch in the binding's jar is linked against. */
    static final String NEEDED = "2.35";

    private Glibc() {}

    /** Its version, or null where there is none. */
    static @Nullable String version() {
        if (!System.getProperty("os.name", "").startsWith("Linux")) {
            return null;
        }
        try {
            return NativeLibrary.getInstance("c")
                    .getFunction("gnu_get_libc_version")
                    .invokeString(new Object[0], false);
        } catch (UnsatisfiedLinkError e) {
            return "(none: musl?)";
        }
    }

    static void check() {
        String version = version();
        if (version != null && !atLeast(version, NEEDED)) {
            throw NativeLibraryException.glibcTooOld(version, NEEDED);
        }
    }

    static boolean atLeast(String version, String needed) {
        try {
            String[] have = version.split("\\.", -1);
            String[] want = needed.split("\\.", -1);
            int major = Integer.compare(Integer.parseInt(have[0]), Integer.parseInt(want[0]));
            return major > 0
                    || major == 0 && Integer.parseInt(have[1]) >= Integer.parseInt(want[1]);
        } catch (NumberFormatException | ArrayIndexOutOfBoundsException e) {
            return false;
        }
    }
}
