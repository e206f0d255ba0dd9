package org.yoloddp.natives;

/** Turns what loaders throw into something that says what to do. */
final class Failures {

    private Failures() {}

    static NativeLibraryException explain(String what, Throwable failure) {
        for (Throwable t = failure; t != null; t = t.getCause()) {
            if (t instanceof NativeLibraryException known) {
                return known;
            }
            String message = t.getMessage();
            if (message != null && message.contains("already loaded in another classloader")) {
                return NativeLibraryException.otherClassLoader(what, failure);
            }
            if (t.getCause() == t) {
                break;
            }
        }
        return NativeLibraryException.failed(what, failure);
    }
}
