package org.yoloddp.examples;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.yoloddp.comm.InMemoryStore;
import org.yoloddp.launch.ClusterEnvironments;
import org.yoloddp.launch.LaunchReport;
import org.yoloddp.launch.Launcher;
import org.yoloddp.launch.LauncherBuilder;
import org.yoloddp.launch.ProcessPlace;
import org.yoloddp.launch.StopSignal;
import org.yoloddp.natives.Natives;
import org.yoloddp.nccl.NcclOptions;
import org.yoloddp.nccl.NcclReport;

/** Finds the GPUs of this process, and runs something on ranks that have them. */
final class GpuRanks {

    private GpuRanks() {}

    /**
     * Looks for NCCL and GPUs. The CUDA libtorch is started first, for its NCCL to be the one.
     *
     * @throws org.yoloddp.natives.NativeLibraryException if there is none that can be used, and why
     */
    static NcclReport look() {
        Natives.start();
        return NcclReport.read(NcclOptions.defaults());
    }

    /** The place of a process that is one of several. */
    static Optional<ProcessPlace> place(Map<String, String> environment) {
        return ClusterEnvironments.find(environment).place().filter(place -> place.worldSize() > 1);
    }

    /**
     * Runs something on this process's ranks: the one rank that it is, or a thread per GPU.
     *
     * @return what rank 0 has returned, or the process's rank
     */
    static <T> T run(Map<String, String> environment, NcclReport gpus, Function<GpuRank, T> body) {
        int count = gpus.devices().size();
        Optional<ProcessPlace> place = place(environment);
        if (place.isPresent()) {
            try (GpuRank rank = GpuRank.process(place.get(), environment, count)) {
                return rank.run(body);
            }
        }
        InMemoryStore store = new InMemoryStore();
        try (RankGang gang = new RankGang(count)) {
            return gang.all(
                            number -> {
                                try (GpuRank rank = GpuRank.thread(number, count, store)) {
                                    return rank.run(body);
                                }
                            })
                    .get(0);
        }
    }

    /**
     * Starts this program's command once per rank, as processes that share the GPUs if there are
     * more ranks than these.
     *
     * @param gpus how many there are
     * @param logs the folder for what the ranks print
     * @param limit after which they are stopped
     * @return how it ended
     */
    static LaunchReport launch(
            Console console,
            List<String> arguments,
            int ranks,
            int gpus,
            Path logs,
            Duration limit) {
        boolean shared = ranks > gpus;
        List<String> own = OwnCommand.with(arguments);
        LauncherBuilder builder =
                Launcher.builder()
                        .setCommand(shared ? SharedGpu.command(own) : own)
                        .optWatchesInput(true)
                        .optProcesses(ranks)
                        .optStandalone()
                        .optLogFolder(logs)
                        .optConsole(console.outBytes(), console.errBytes());
        if (shared) {
            SharedGpu.environment().forEach(builder::addEnvironment);
        }
        Launcher launcher = builder.build();
        ScheduledExecutorService clock = Executors.newSingleThreadScheduledExecutor();
        try (Signals signals = new Signals((signal, count) -> stop(launcher, signal, count))) {
            clock.schedule(launcher::kill, limit.toSeconds(), TimeUnit.SECONDS);
            return launcher.run();
        } finally {
            clock.shutdownNow();
        }
    }

    private static void stop(Launcher launcher, StopSignal signal, int count) {
        if (count == 1) {
            launcher.stop(signal);
        } else {
            launcher.kill();
        }
    }
}
