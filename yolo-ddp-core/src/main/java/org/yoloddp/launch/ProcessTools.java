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
 *   <li>{@code setpriv --pdeathsig} lets a worker get a signal when the launcher dies, of whatever:
 *       {@link #KILL} ends one that knows nothing of launchers; {@link #CONTINUE} wakes one that
 *       ends when its input does, but could not see that since it was stopped, and disturbs no
 *       other. Linux sends the signal when the <em>thread</em> that started the worker ends; so one
 *       thread starts all.
 *   <li>{@code kill} sends what Java cannot: SIGINT, SIGCONT, and signals to process groups.
 * </ul>
 */
final class ProcessTools {

    /** The signal that ends a worker at once. */
    static final String KILL = "KILL";

    /** The signal that lets a worker go on that was stopped. */
    static final String CONTINUE = "CONT";

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
                find("setsid", searchPath),
                find("setpriv", searchPath).filter(ProcessTools::knowsFarewells),
                find("kill", searchPath));
    }

    /** Those of util-linux before 2.33 and of BusyBox do not. */
    private static boolean knowsFarewells(String setpriv) {
        return succeeds(List.of(setpriv, "--pdeathsig", CONTINUE, setpriv, "--version"));
    }

    /** Whether workers can get a signal when the launcher dies. */
    boolean canTieToParent() {
        return setpriv.isPresent();
    }

    /** Whether a worker's process group has the number of its process. */
    boolean ownGroup() {
        return setsid.isPresent() && kill.isPresent();
    }

    /**
     * The command that starts another, with the same process id in the end.
     *
     * @param command the other
     * @param farewell the signal that it gets when the thread that starts it ends
     */
    List<String> wrap(List<String> command, String farewell) {
        List<String> wrapped = new ArrayList<>();
        setsid.ifPresent(wrapped::add);
        setpriv.ifPresent(program -> wrapped.addAll(List.of(program, "--pdeathsig", farewell)));
        wrapped.addAll(command);
        return wrapped;
    }

    /** Sends a signal by kill(1); a negative number is a process group. False if that failed. */
    boolean send(String signal, long target) {
        if (kill.isEmpty()) {
            return false;
        }
        return succeeds(List.of(kill.get(), "-" + signal, "--", Long.toString(target)));
    }

    private static boolean succeeds(List<String> command) {
        try {
            Process process =
                    new ProcessBuilder(command)
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

    /** Whether a process is stopped, by SIGSTOP or a debugger; false where nobody can tell. */
    static boolean isStopped(long pid) {
        try {
            String stat = Files.readString(Path.of("/proc", Long.toString(pid), "stat"));
            char state = stat.charAt(stat.lastIndexOf(')') + 2);
            return state == 'T' || state == 't';
        } catch (IOException | StringIndexOutOfBoundsException e) {
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
