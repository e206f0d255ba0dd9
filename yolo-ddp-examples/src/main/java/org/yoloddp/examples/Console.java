package org.yoloddp.examples;

import java.io.OutputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.Writer;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.Locale;

/**
 * Where the program prints.
 *
 * @param out results and progress
 * @param err failures and warnings
 * @param terminal whether out is a terminal, on which lines can be overwritten
 * @param outBytes the same place as out, for what other programs print
 * @param errBytes the same place as err
 */
record Console(
        PrintWriter out,
        PrintWriter err,
        boolean terminal,
        OutputStream outBytes,
        OutputStream errBytes) {

    Console(PrintWriter out, PrintWriter err, boolean terminal) {
        this(out, err, terminal, new WriterStream(out), new WriterStream(err));
    }

    /** The process's own streams. */
    @SuppressWarnings("SystemConsoleNull") // The start script tells; this is for Windows alone.
    static Console system() {
        String terminal = System.getProperty("yoloddp.terminal");
        return new Console(
                writer(System.out),
                writer(System.err),
                terminal == null ? System.console() != null : Boolean.parseBoolean(terminal),
                System.out,
                System.err);
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

    /** The same, without results and progress. */
    Console onlyFailures() {
        return new Console(new PrintWriter(Writer.nullWriter()), err, false);
    }

    /** Takes whole lines in UTF-8, as the launcher passes them on. */
    private static final class WriterStream extends OutputStream {

        private final PrintWriter writer;

        WriterStream(PrintWriter writer) {
            this.writer = writer;
        }

        @Override
        public void write(int value) {
            write(new byte[] {(byte) value}, 0, 1);
        }

        @Override
        public void write(byte[] bytes, int offset, int length) {
            writer.write(new String(bytes, offset, length, StandardCharsets.UTF_8));
        }

        @Override
        public void flush() {
            writer.flush();
        }
    }

    private static PrintWriter writer(PrintStream stream) {
        return new PrintWriter(stream, true, Charset.defaultCharset());
    }
}
