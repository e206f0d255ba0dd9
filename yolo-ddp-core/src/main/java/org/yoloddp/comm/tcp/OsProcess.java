package org.yoloddp.comm.tcp;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Optional;

/** What the operating system knows of processes, so that a number used again deceives nobody. */
final class OsProcess {

    private static final int FIELDS_BETWEEN_STATE_AND_START = 19;

    private OsProcess() {}

    /** Tells when a process started, in the system's own terms; empty if it is gone or dead. */
    static String start(long pid) {
        try {
            String stat =
                    Files.readString(
                            Path.of("/proc", Long.toString(pid), "stat"),
                            StandardCharsets.ISO_8859_1);
            String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
            return fields[0].equals("Z") || fields[0].equals("X")
                    ? ""
                    : fields[FIELDS_BETWEEN_STATE_AND_START];
        } catch (IOException e) {
            Optional<ProcessHandle> handle =
                    Files.exists(Path.of("/proc/self/stat"))
                            ? Optional.empty()
                            : ProcessHandle.of(pid);
            return handle.filter(ProcessHandle::isAlive)
                    .flatMap(p -> p.info().startInstant())
                    .map(Instant::toEpochMilli)
                    .map(String::valueOf)
                    .orElse("");
        }
    }

    /** Names the space in which process numbers are unique. */
    static String namespace() {
        try {
            String link = Files.readSymbolicLink(Path.of("/proc/self/ns/pid")).toString();
            return link.replaceAll("\\D", "");
        } catch (IOException e) {
            return "0";
        }
    }

    /** Names this boot of the machine's kernel; empty where there is no such name. */
    static String boot() {
        try {
            return Files.readString(
                            Path.of("/proc/sys/kernel/random/boot_id"), StandardCharsets.ISO_8859_1)
                    .strip();
        } catch (IOException e) {
            return "";
        }
    }
}
