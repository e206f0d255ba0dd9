package org.yoloddp.examples;

import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.charset.Charset;
import java.util.Locale;

/**
 * Where the program prints.
 *
 * @param out results and progress
 * @param err failures and warnings
 * @param terminal whether out is a terminal, on which lines can be overwritten
 */
record Console(PrintWriter out, PrintWriter err, boolean terminal) {

    /** The process's own streams. */
    @SuppressWarnings("SystemConsoleNull") // The start script tells; this is for Windows alone.
    static Console system() {
        String terminal = System.getProperty("yoloddp.terminal");
        return new Console(
                writer(System.out),
                writer(System.err),
                terminal == null ? System.console() != null : Boolean.parseBoolean(terminal));
    }

    void print(String line) {
        out.println(line);
        out.flush();
    }

    void printf(String format, Object... values) {
        print(String.format(Locale.ROOT, format, values));
    }

    void warn(String line) {
        err.println("warning: " + line);
        err.flush();
    }

    /** Prints a failure as one line. */
    void error(Exception failure, String advice) {
        String message = failure.getMessage() == null ? "no message" : failure.getMessage();
        err.println(
                "error: "
                        + failure.getClass().getSimpleName()
                        + ": "
                        + message.strip().replaceAll("\\s*\\R\\s*", " ")
                        + advice);
        err.flush();
    }

    private static PrintWriter writer(PrintStream stream) {
        return new PrintWriter(stream, true, Charset.defaultCharset());
    }
}
