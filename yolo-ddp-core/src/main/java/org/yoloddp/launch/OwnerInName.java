package org.yoloddp.launch;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Names files after the process that owns them, so that another can tell whether it is gone: the
 * space of process numbers, the number, and when that process started in the system's own terms,
 * since numbers are used again. Where there is no /proc, nobody counts as gone.
 */
final class OwnerInName {

    private static final Path PROC = Path.of("/proc");
    private static final Pattern OWNER = Pattern.compile("(\\d{1,18})-(\\d{1,18})-(\\d{1,18})-.*");
    private static final int FIELDS_BETWEEN_STATE_AND_START = 19;
    private static final String UNKNOWN = "0";

    private OwnerInName() {}

    /** What this process puts before the rest of a name. */
    static String prefix() {
        long pid = ProcessHandle.current().pid();
        String start = start(pid);
        return namespace() + "-" + pid + "-" + (start.isEmpty() ? UNKNOWN : start) + "-";
    }

    /**
     * Tells whether the owner of a name is known to be gone.
     *
     * @param name begins with the owner's {@link #prefix}; others own nothing
     */
    static boolean isGone(String name) {
        Matcher owner = OWNER.matcher(name);
        return owner.matches()
                && !namespace().equals(UNKNOWN)
                && owner.group(1).equals(namespace())
                && !owner.group(3).equals(start(Long.parseLong(owner.group(2))));
    }

    /** When a process started; empty if it is gone, or only waits for its parent to notice. */
    private static String start(long pid) {
        try {
            String stat =
                    Files.readString(
                            PROC.resolve(Long.toString(pid)).resolve("stat"),
                            StandardCharsets.ISO_8859_1);
            String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
            return fields[0].equals("Z") || fields[0].equals("X")
                    ? ""
                    : fields[FIELDS_BETWEEN_STATE_AND_START];
        } catch (IOException e) {
            return "";
        }
    }

    private static String namespace() {
        try {
            String link = Files.readSymbolicLink(PROC.resolve("self/ns/pid")).toString();
            return link.replaceAll("\\D", "");
        } catch (IOException e) {
            return UNKNOWN;
        }
    }
}
