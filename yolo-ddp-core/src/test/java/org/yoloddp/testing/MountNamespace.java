package org.yoloddp.testing;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** A mount namespace of this machine in which one folder is a small tmpfs; takes root on Linux. */
public final class MountNamespace implements AutoCloseable {

    private final String folder;
    private final Process holder;

    /** Says why this machine cannot have one, if it can't. */
    public static Optional<String> missing() {
        try {
            Process trial =
                    new ProcessBuilder(
                                    "unshare",
                                    "--mount",
                                    "nsenter",
                                    "--mount=/proc/self/ns/mnt",
                                    "true")
                            .redirectErrorStream(true)
                            .start();
            return trial.waitFor(10, TimeUnit.SECONDS) && trial.exitValue() == 0
                    ? Optional.empty()
                    : Optional.of("only root may make mount namespaces");
        } catch (IOException e) {
            return Optional.of("there is no program 'unshare'");
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return Optional.of("interrupted");
        }
    }

    /**
     * Makes one.
     *
     * @param folder an existing folder
     * @param size what there is room for in it, as mount has it
     */
    public MountNamespace(String folder, String size) {
        this.folder = folder;
        try {
            holder =
                    new ProcessBuilder(
                                    "unshare",
                                    "--mount",
                                    "sh",
                                    "-c",
                                    "mount -t tmpfs -o size=\"$2\" tmpfs \"$1\" && echo ready"
                                            + " && exec sleep 300",
                                    "sh",
                                    folder,
                                    size)
                            .redirectErrorStream(true)
                            .start();
            String answer = holder.inputReader().readLine();
            if (!"ready".equals(answer)) {
                close();
                throw new AssertionError("no tmpfs in " + folder + ": " + answer);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The command that runs another one there; its process becomes that of the other. */
    public List<String> in(List<String> command) {
        List<String> words =
                new ArrayList<>(
                        List.of(
                                "nsenter",
                                "--mount=/proc/" + holder.pid() + "/ns/mnt",
                                "--wd=" + Path.of("").toAbsolutePath(),
                                "--"));
        words.addAll(command);
        return words;
    }

    /** What is in the folder there. */
    public List<Path> files() {
        Path there = Path.of("/proc", Long.toString(holder.pid()), "root", folder);
        try (Stream<Path> files = Files.list(there)) {
            return files.toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void close() {
        holder.destroyForcibly();
    }
}
