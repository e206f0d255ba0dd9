package org.yoloddp.launch;

/** A launcher whose workers sleep; or, with an argument, wait for the end of their input. */
public final class SleepingJob {

    private SleepingJob() {}

    public static void main(String[] arguments) {
        boolean watching = arguments.length > 0;
        Launcher.builder()
                .setCommand("sh", "-c", "echo pid=$$; " + (watching ? "read end" : "exec sleep 60"))
                .optWatchesInput(watching)
                .optProcesses(2)
                .build()
                .run();
    }
}
