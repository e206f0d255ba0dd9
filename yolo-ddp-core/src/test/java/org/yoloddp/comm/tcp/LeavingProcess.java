package org.yoloddp.comm.tcp;

import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/** Makes a file of shared memory in a folder, and ends in one of several ways. */
public final class LeavingProcess {

    private LeavingProcess() {}

    public static void main(String[] arguments) throws IOException {
        SharedMemory shared = new SharedMemory(Path.of(arguments[0]), 1 << 20);
        long pid = ProcessHandle.current().pid();
        String owner = SharedMemory.owner(OsProcess.namespace(), pid, OsProcess.start(pid));
        shared.create(owner + "-nonce-0", 4096);
        switch (arguments[1]) {
            case "exit" -> System.exit(3);
            case "late" -> {
                Runtime.getRuntime().addShutdownHook(new Thread(() -> makeMore(shared, owner)));
                System.exit(4);
            }
            default -> Runtime.getRuntime().halt(5);
        }
    }

    /** Takes part still while the process ends, and its peers find its files. */
    private static void makeMore(SharedMemory shared, String owner) {
        try {
            shared.create(owner + "-nonce-1", 4096);
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(300));
            shared.open(owner + "-nonce-0", 4096);
            shared.open(owner + "-nonce-1", 4096);
            System.out.println("found=2");
        } catch (IOException e) {
            System.out.println("lost=" + e.getMessage());
        }
    }
}
