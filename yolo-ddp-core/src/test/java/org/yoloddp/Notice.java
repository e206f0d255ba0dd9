package org.yoloddp;

import java.io.IOException;
import java.io.Reader;
import java.io.StringReader;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Properties;
import org.yoloddp.comm.CollectiveMismatchException;
import org.yoloddp.comm.RankFailedException;

/**
 * What a rank of a launched training has thrown, as it left it in a file.
 *
 * @param millis from the fault to the end of the training, its resources closed
 * @param type the exception's simple name
 * @param message the exception's
 * @param rank of a {@link RankFailedException}, -1 otherwise; so are the next four
 * @param host where that rank ran
 * @param pid its process
 * @param step where it was
 * @param operation what it did
 * @param cause what it died of, in words
 * @param stacks what the threads of a stalled rank did
 * @param calls what the ranks asked for of a {@link CollectiveMismatchException}
 */
record Notice(
        long millis,
        String type,
        String message,
        int rank,
        String host,
        long pid,
        long step,
        String operation,
        String cause,
        String stacks,
        String calls) {

    /** Leaves a note, at once and whole. */
    static void write(Path file, long millis, Throwable failure) throws IOException {
        Properties fields = new Properties();
        fields.setProperty("millis", Long.toString(millis));
        fields.setProperty("type", failure.getClass().getSimpleName());
        fields.setProperty("message", String.valueOf(failure.getMessage()));
        if (failure instanceof RankFailedException e) {
            fields.setProperty("rank", Integer.toString(e.rank()));
            fields.setProperty("host", e.host());
            fields.setProperty("pid", Long.toString(e.pid()));
            fields.setProperty("step", Long.toString(e.step()));
            fields.setProperty("operation", e.operation());
            fields.setProperty("cause", e.causeText());
            fields.setProperty("stacks", String.join("\n", e.threadStacks()));
        }
        if (failure instanceof CollectiveMismatchException e) {
            fields.setProperty("calls", e.calls().toString());
        }
        StringWriter text = new StringWriter();
        fields.store(text, null);
        Path part = file.resolveSibling(file.getFileName() + ".part");
        Files.writeString(part, text.toString());
        Files.move(part, file, StandardCopyOption.ATOMIC_MOVE);
    }

    static Notice read(Path file) {
        Properties fields = new Properties();
        try (Reader text = new StringReader(Files.readString(file))) {
            fields.load(text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return new Notice(
                Long.parseLong(fields.getProperty("millis")),
                fields.getProperty("type"),
                fields.getProperty("message"),
                Integer.parseInt(fields.getProperty("rank", "-1")),
                fields.getProperty("host", ""),
                Long.parseLong(fields.getProperty("pid", "-1")),
                Long.parseLong(fields.getProperty("step", "-1")),
                fields.getProperty("operation", ""),
                fields.getProperty("cause", ""),
                fields.getProperty("stacks", ""),
                fields.getProperty("calls", ""));
    }
}
