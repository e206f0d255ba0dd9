package org.yoloddp.launch;

import java.io.IOException;
import java.io.InputStream;
import java.util.LinkedHashSet;
import java.util.OptionalInt;
import java.util.Set;

/** A process of the operating system. */
final class OsProcess implements WorkerProcess {

    private final Process process;
    private final ProcessTools tools;
    private final Set<ProcessHandle> descendants = new LinkedHashSet<>();
    private volatile long ended;

    private OsProcess(Process process, ProcessTools tools) {
        this.process = process;
        this.tools = tools;
        var unused = process.onExit().thenRun(() -> ended = System.nanoTime());
    }

    /**
     * Starts processes that get a signal when this one dies, where the system offers that.
     *
     * @param tools of the system
     * @param farewell the signal's name without SIG
     */
    static Factory factory(ProcessTools tools, String farewell) {
        return (command, environment, keepInput) -> {
            ProcessBuilder builder = new ProcessBuilder(tools.wrap(command, farewell));
            builder.environment().clear();
            builder.environment().putAll(environment);
            OsProcess started = new OsProcess(builder.start(), tools);
            if (!keepInput) {
                closeQuietly(started.process);
            }
            return started;
        };
    }

    @Override
    public long pid() {
        return process.pid();
    }

    @Override
    public OptionalInt exitCode() {
        return process.isAlive() ? OptionalInt.empty() : OptionalInt.of(process.exitValue());
    }

    @Override
    public long endedNanos() {
        if (ended == 0) {
            ended = System.nanoTime(); // the notice of its end is still on its way
        }
        return ended;
    }

    @Override
    public InputStream output() {
        return process.getInputStream();
    }

    @Override
    public InputStream errors() {
        return process.getErrorStream();
    }

    @Override
    public void observe() {
        descendants.removeIf(handle -> !handle.isAlive());
        process.descendants().forEach(descendants::add);
    }

    @Override
    public void signal(StopSignal signal) {
        observe();
        signal(process.toHandle(), signal);
        descendants.forEach(handle -> signal(handle, signal));
    }

    private void signal(ProcessHandle handle, StopSignal signal) {
        if (!handle.isAlive()) {
            return;
        }
        if (signal == StopSignal.TERMINATE || !tools.send(signal.shortName(), handle.pid())) {
            handle.destroy();
        }
        if (ProcessTools.isStopped(handle.pid())) {
            tools.send(ProcessTools.CONTINUE, handle.pid()); // it would take no notice
        }
    }

    @Override
    public void kill() {
        observe();
        process.destroyForcibly();
        descendants.forEach(ProcessHandle::destroyForcibly);
        if (tools.ownGroup()) {
            // Those that were started and left alone since the last look.
            tools.send(ProcessTools.KILL, -process.pid());
        }
        closeQuietly(process);
    }

    private static void closeQuietly(Process process) {
        try {
            process.getOutputStream().close();
        } catch (IOException e) {
            // Nobody reads it any more, which is what closing is for.
        }
    }
}
