package org.yoloddp.launch;

/** A launcher whose workers sleep. */
public final class SleepingJob {

    private SleepingJob() {}

    public static void main(String[] arguments) {
        Launcher.builder()
                .setCommand("sh", "-c", "echo pid=$$; exec sleep 60")
                .optProcesses(2)
                .build()
                .run();
    }
}
