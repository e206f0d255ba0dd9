package org.yoloddp.launch;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * Programs of Linux that the launcher makes use of where they exist; never a shell.
 *
 * <ul>
 *   <li>{@code setsid} gives a worker a session of its own: Ctrl-C reaches the launcher only, which
 *       passes it on once, and what a worker leaves behind is found by its process group.
 *   <li>{@code setpriv --pdeathsig KILL} lets a worker die with the launcher. Linux sends that
 *       signal when the <em>thread</em> that started the worker ends; so one thread starts all.
 *   <li>{@code kill} sends what Java cannot: SIGINT, and signals to process groups.
 * </ul>
 */
final class ProcessTools {

    private static final long LIMIT_SECONDS = 5;

    private final Optional<String> setsid;
    private final Optional<String> setpriv;
    private final Optional<String> kill;

    private ProcessTools(Optional<String> setsid, Optional<String> setpriv, Optional<String> kill) {
        this.setsid = setsid;
        this.setpriv = setpriv;
        this.kill = kill;
    }

    /** What a search path offers, by the value of PATH; nothing on systems other than Linux. */
    static ProcessTools of(String searchPath) {
        if (!System.getProperty("os.name").startsWith("Linux")) {
            return new ProcessTools(Optional.empty(), Optional.empty(), find("kill", searchPath));
        }
        return new ProcessTools(
                find("setsid", searchPath), find("setpriv", searchPath), find("kill", searchPath));
    }

    /** Whether workers can be made to die with the launcher. */
    boolean canTieToParent() {
        return setpriv.isPresent();
    }

    /** Whether a worker's process group has the number of its process. */
    boolean ownGroup() {
        return setsid.isPresent() && kill.isPresent();
    }

    /** The command that starts another, with the same process id in the end. */
    List<String> wrap(List<String> command, boolean tieToParent) {
        List<String> wrapped = new ArrayList<>();
        setsid.ifPresent(wrapped::add);
        if (tieToParent && setpriv.isPresent()) {
            wrapped.addAll(List.of(setpriv.get(), "--pdeathsig", "KILL"));
        }
        wrapped.addAll(command);
        return wrapped;
    }

    /** Sends a signal by kill(1); a negative number is a process group. False if that failed. */
    boolean send(String signal, long target) {
        if (kill.isEmpty()) {
            return false;
        }
        try {
            Process process =
                    new ProcessBuilder(kill.get(), "-" + signal, "--", Long.toString(target))
                            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                            .redirectError(ProcessBuilder.Redirect.DISCARD)
                            .start();
            return process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS) && process.exitValue() == 0;
        } catch (IOException e) {
            return false;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    private static Optional<String> find(String name, String searchPath) {
        for (String folder : searchPath.split(File.pathSeparator, -1)) {
            Path program = Path.of(folder.isEmpty() ? "." : folder, name);
            if (Files.isExecutable(program) && !Files.isDirectory(program)) {
                return Optional.of(program.toString());
            }
        }
        return Optional.empty();
    }
}
