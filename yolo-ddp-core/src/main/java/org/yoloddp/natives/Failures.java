package org.yoloddp.natives;

/** Turns what loaders throw into something that says what to do. */
final class Failures {

    private static final int MAX_CAUSES = 32;

    private Failures() {}

    static NativeLibraryException explain(String what, Throwable failure) {
        if (failure instanceof NativeLibraryException known) {
            return known;
        }
        return isOfOtherClassLoader(failure)
                ? NativeLibraryException.otherClassLoader(what, failure)
                : NativeLibraryException.failed(what, failure);
    }

    static boolean isOfOtherClassLoader(Throwable failure) {
        Throwable t = failure;
        for (int i = 0; t != null && i < MAX_CAUSES; i++) {
            String message = t.getMessage();
            if (message != null && message.contains("already loaded in another classloader")) {
                return true;
            }
            t = t.getCause();
        }
        return false;
    }
}
