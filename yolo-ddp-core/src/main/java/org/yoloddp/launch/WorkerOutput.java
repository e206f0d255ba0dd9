package org.yoloddp.launch;

import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Passes one stream of a worker on, as its bytes are: line by line to the console with the worker's
 * rank before each, and at once to its log file. Remembers the last line that says something.
 */
final class WorkerOutput {

    private static final Logger LOG = LoggerFactory.getLogger(WorkerOutput.class);

    /** Longer lines are passed on in pieces. */
    private static final int LONGEST_LINE = 1 << 16;

    private static final int LONGEST_REMEMBERED = 500;

    private final InputStream source;
    private final String prefix;
    private final @Nullable OutputStream console;
    private final @Nullable OutputStream file;
    private final ByteArrayOutputStream line = new ByteArrayOutputStream();
    private final CountDownLatch done = new CountDownLatch(1);
    private boolean fileBroken;
    private volatile String lastLine = "";

    /**
     * Prepares to pass a stream on.
     *
     * @param source the worker's stream
     * @param prefix what each line on the console begins with
     * @param console where lines go, shared by all workers; null for nowhere
     * @param file where bytes go, closed at the end; null for nowhere
     */
    WorkerOutput(
            InputStream source,
            String prefix,
            @Nullable OutputStream console,
            @Nullable OutputStream file) {
        this.source = source;
        this.prefix = prefix;
        this.console = console;
        this.file = file == null ? null : new BufferedOutputStream(file);
    }

    /** Begins, on a thread of its own, which ends with the stream. */
    void start(String name) {
        Thread thread = new Thread(this::pump, name);
        thread.setDaemon(true);
        thread.start();
    }

    /** Whether all has been passed on. */
    boolean isDone() {
        return done.getCount() == 0;
    }

    /** Waits until all has been passed on, or the time is over. */
    void await(long millis) {
        try {
            if (!done.await(millis, TimeUnit.MILLISECONDS)) {
                LOG.debug("{}its output is still open", prefix);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** The last line that is neither blank nor a frame of a stack; empty if there was none. */
    String lastLine() {
        return lastLine;
    }

    private void pump() {
        byte[] buffer = new byte[8192];
        try (InputStream in = source) {
            for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
                toFile(buffer, count, in.available() == 0);
                for (int i = 0; i < count; i++) {
                    line.write(buffer[i]);
                    if (buffer[i] == '\n' || line.size() >= LONGEST_LINE) {
                        endLine();
                    }
                }
            }
        } catch (IOException e) {
            LOG.debug("{}its output broke off", prefix, e);
        } finally {
            endLine();
            close();
            done.countDown();
        }
    }

    private void toFile(byte[] bytes, int count, boolean flush) {
        if (file == null || fileBroken) {
            return;
        }
        try {
            file.write(bytes, 0, count);
            if (flush) {
                file.flush();
            }
        } catch (IOException e) {
            // A full disk must not stop the worker, which would wait for a reader.
            fileBroken = true;
            LOG.warn("{}its log file ends here: {}", prefix, e.toString());
        }
    }

    private void endLine() {
        if (line.size() == 0) {
            return;
        }
        byte[] bytes = line.toByteArray();
        line.reset();
        remember(bytes);
        if (console == null) {
            return;
        }
        byte[] start = prefix.getBytes(StandardCharsets.UTF_8);
        boolean whole = bytes[bytes.length - 1] == '\n';
        byte[] all = new byte[start.length + bytes.length + (whole ? 0 : 1)];
        all[all.length - 1] = '\n';
        System.arraycopy(start, 0, all, 0, start.length);
        System.arraycopy(bytes, 0, all, start.length, bytes.length);
        synchronized (console) {
            try {
                console.write(all);
                console.flush();
            } catch (IOException e) {
                LOG.debug("{}the console is gone", prefix, e);
            }
        }
    }

    private void remember(byte[] bytes) {
        String raw = new String(bytes, StandardCharsets.UTF_8);
        boolean frame = raw.startsWith("\tat ") || raw.startsWith("\t... ");
        String text = raw.strip();
        if (!text.isEmpty() && !frame) {
            lastLine =
                    text.length() > LONGEST_REMEMBERED
                            ? text.substring(0, LONGEST_REMEMBERED) + "…"
                            : text;
        }
    }

    private void close() {
        if (file != null) {
            try (OutputStream closing = file) {
                closing.flush();
            } catch (IOException e) {
                LOG.debug("{}its log file can't be closed", prefix, e);
            }
        }
    }
}
