package org.yoloddp.examples;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What Linux tells of the memory of this process. */
final class ProcessMemory {

    private static final Path STAT = Path.of("/proc/self/stat");
    private static final Path STATUS = Path.of("/proc/self/status");
    private static final Pattern LINE = Pattern.compile("(VmRSS|VmHWM):\\s+(\\d+) kB");
    private static final double MEGA = 1 << 20;

    /** As getconf PAGESIZE tells on the platforms that libtorch's binding is built for. */
    private static final int PAGE_BYTES = 4096;

    private ProcessMemory() {}

    /**
     * Returns the resident memory and its peak so far, and the Java heap within it, in MB; nothing
     * on other systems.
     */
    static Map<String, Double> now() {
        Map<String, Double> memory = new TreeMap<>();
        if (!Files.isReadable(STATUS)) {
            return memory;
        }
        try {
            for (String line : Files.readAllLines(STATUS)) {
                Matcher found = LINE.matcher(line);
                if (found.matches()) {
                    memory.put(
                            found.group(1).equals("VmRSS") ? "resident" : "peak",
                            Long.parseLong(found.group(2)) * 1024 / MEGA);
                }
            }
        } catch (IOException e) {
            return new TreeMap<>();
        }
        memory.put("heap", Runtime.getRuntime().totalMemory() / MEGA);
        return memory;
    }

    /**
     * Returns how much memory the system had to map because it was touched, since the process has
     * begun, in MB; 0 on other systems. What grows from step to step is given back and mapped anew.
     */
    static double faulted() {
        try {
            String stat = Files.readString(STAT);
            // The second field, the program's name, may hold blanks; minor faults are the tenth.
            String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ");
            return Long.parseLong(fields[7]) * PAGE_BYTES / MEGA;
        } catch (IOException e) {
            return 0;
        }
    }
}
