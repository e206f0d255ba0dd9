package org.yoloddp.examples;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;

/** Runs the program in this JVM and keeps what it prints. */
final class Output {

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();
    private final Console console =
            new Console(new PrintWriter(out, true), new PrintWriter(err, true), false);

    Console console() {
        return console;
    }

    int run(String... arguments) {
        return YoloDdp.run(console, arguments);
    }

    String out() {
        return out.toString();
    }

    String err() {
        return err.toString();
    }

    List<String> errLines() {
        return err.toString().lines().toList();
    }
}
