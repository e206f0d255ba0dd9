package org.yoloddp.comm.tcp;

import java.io.IOException;
import java.nio.file.Path;

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

    /** Goes on while the process ends, longer than its files are there. */
    private static void makeMore(SharedMemory shared, String owner) {
        try {
            for (int i = 1; i < 200; i++) {
                shared.create(owner + "-nonce-" + i, 4096);
            }
            System.out.println("nothing has stopped it");
        } catch (IOException e) {
            System.out.println("ended: " + e.getMessage());
        }
    }
}
