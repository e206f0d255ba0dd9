package org.yoloddp.launch;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.FlightRecorder;
import org.yoloddp.natives.AllocatorSettings;
import org.yoloddp.rendezvous.JobToken;
import org.yoloddp.rendezvous.TlsOptions;

/** The environment of a worker: torchrun's variables, and ours. */
final class WorkerEnvironment {

    private final Settings settings;
    private final Map<String, String> inherited;
    private final String store;
    private final @Nullable Path tokenFile;
    private final TlsOptions tls;

    /**
     * Prepares environments.
     *
     * @param settings of the job
     * @param inherited this process's environment
     * @param store where the job's store is, host and port
     * @param tokenFile holds the job's token, null if there is none
     * @param tls how the store is served
     */
    WorkerEnvironment(
            Settings settings,
            Map<String, String> inherited,
            String store,
            @Nullable Path tokenFile,
            TlsOptions tls) {
        this.settings = settings;
        this.inherited = inherited;
        this.store = store;
        this.tokenFile = tokenFile;
        this.tls = tls;
    }

    /** All variables of one worker. */
    Map<String, String> of(JobState job, int groupRank, int localRank, LaunchFiles files) {
        int processes = job.members().get(groupRank).processes();
        String rank = Integer.toString(job.firstRank(groupRank) + localRank);
        String worldSize = Integer.toString(job.worldSize());
        Map<String, String> map = new HashMap<>(inherited);
        AllocatorSettings.recommended().forEach(map::putIfAbsent);
        map.putIfAbsent("OMP_NUM_THREADS", Integer.toString(threads(processes)));
        map.putIfAbsent("TORCH_NCCL_ASYNC_ERROR_HANDLING", "1");
        map.putAll(settings.environment());
        map.put("RANK", rank);
        map.put("LOCAL_RANK", Integer.toString(localRank));
        map.put("WORLD_SIZE", worldSize);
        map.put("LOCAL_WORLD_SIZE", Integer.toString(processes));
        map.put("GROUP_RANK", Integer.toString(groupRank));
        map.put("GROUP_WORLD_SIZE", Integer.toString(job.members().size()));
        map.put("ROLE_NAME", "default");
        map.put("ROLE_RANK", rank);
        map.put("ROLE_WORLD_SIZE", worldSize);
        map.put("MASTER_ADDR", settings.masterAddress());
        map.put("MASTER_PORT", Integer.toString(job.masterPort()));
        map.put("TORCHELASTIC_RUN_ID", job.runId());
        map.put("TORCHELASTIC_RESTART_COUNT", Integer.toString(job.restarts()));
        map.put("TORCHELASTIC_MAX_RESTARTS", Integer.toString(settings.maxRestarts()));
        // PyTorch would take our store for its own.
        map.put("TORCHELASTIC_USE_AGENT_STORE", "False");
        int number = Integer.parseInt(rank);
        map.put(ErrorFile.VARIABLE, files.errorFile(job.generation(), number).toString());
        map.put(FlightRecorder.VARIABLE, files.flightFile(job.generation(), number).toString());
        map.put(Launcher.STORE_VARIABLE, store);
        map.put(Launcher.GENERATION_VARIABLE, Integer.toString(job.generation()));
        map.remove(JobToken.VARIABLE);
        map.remove(JobToken.FILE_VARIABLE);
        if (tokenFile != null) {
            map.put(JobToken.FILE_VARIABLE, tokenFile.toString());
        }
        TlsOptions.variables().forEach(map::remove);
        map.putAll(tls.toEnvironment());
        if (settings.insecure()) {
            map.put(Launcher.INSECURE_VARIABLE, "1");
        }
        map.remove(Launcher.PIPE_VARIABLE);
        if (settings.watchesInput()) {
            map.put(Launcher.PIPE_VARIABLE, "1");
        }
        return map;
    }

    /** torchrun takes 1; a fair share of the cores is as safe, and faster where there are more. */
    private static int threads(int processes) {
        return Math.max(1, Runtime.getRuntime().availableProcessors() / processes);
    }
}
