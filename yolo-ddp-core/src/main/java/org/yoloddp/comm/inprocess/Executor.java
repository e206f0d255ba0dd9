package org.yoloddp.comm.inprocess;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.yoloddp.comm.HelperThread;

/** Lets a thread work on the operations of a group while a rank computes. */
final class Executor {

    private static final long NAP_NANOS = TimeUnit.SECONDS.toNanos(10);

    private final Group group;
    private final HelperThread thread;

    private Executor(Group group, int rank) {
        this.group = group;
        this.thread = new HelperThread("yolo-ddp-" + group.name + "-" + rank, this::run);
    }

    /** Starts a rank's thread, which ends at most one slice after it was asked to. */
    static HelperThread start(Group group, int rank) {
        HelperThread thread = new Executor(group, rank).thread;
        thread.start();
        return thread;
    }

    private void run() {
        while (!thread.isFinishing()) {
            if (!group.help(false) && !thread.isFinishing() && !group.hasWork()) {
                LockSupport.parkNanos(group, NAP_NANOS);
            }
        }
    }
}
