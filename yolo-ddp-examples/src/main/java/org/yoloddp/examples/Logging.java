package org.yoloddp.examples;

/** How much the libraries log. To be called before the first logger is made. */
final class Logging {

    private static final String PREFIX = "org.slf4j.simpleLogger.";

    private Logging() {}

    static void configure(boolean verbose) {
        set("defaultLogLevel", verbose ? "info" : "warn");
        set("log.org.yoloddp", verbose ? "debug" : "warn");
        set("showThreadName", Boolean.toString(verbose));
        set("showShortLogName", "true");
        set("showDateTime", Boolean.toString(verbose));
        set("dateTimeFormat", "HH:mm:ss.SSS");
    }

    /** What the user gave by JAVA_OPTS stays. */
    private static void set(String name, String value) {
        if (System.getProperty(PREFIX + name) == null) {
            System.setProperty(PREFIX + name, value);
        }
    }
}
