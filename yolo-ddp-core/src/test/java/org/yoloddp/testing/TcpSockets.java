package org.yoloddp.testing;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The TCP sockets of a process, by /proc; so on Linux only. */
public final class TcpSockets {

    private static final int ESTABLISHED = 0x01;
    private static final int LISTENING = 0x0a;

    /**
     * A socket.
     *
     * @param file the number of its open file
     * @param localPort this end
     * @param remotePort the other end, 0 if it listens
     * @param state the kernel's number of its state
     */
    public record TcpSocket(int file, int localPort, int remotePort, int state) {

        public boolean isEstablished() {
            return state == ESTABLISHED;
        }

        public boolean listens() {
            return state == LISTENING;
        }
    }

    private TcpSockets() {}

    /** Lists those of a process, which may be this one. */
    public static List<TcpSocket> of(long pid) throws IOException {
        Path process = Path.of("/proc", Long.toString(pid));
        Map<String, String[]> lines = new HashMap<>();
        for (String table : List.of("tcp", "tcp6")) {
            for (String line : Files.readAllLines(process.resolve("net").resolve(table))) {
                String[] words = line.strip().split("\\s+");
                if (words[0].endsWith(":")) {
                    lines.put("socket:[" + words[9] + "]", words);
                }
            }
        }
        List<TcpSocket> found = new ArrayList<>();
        try (DirectoryStream<Path> files = Files.newDirectoryStream(process.resolve("fd"))) {
            for (Path file : files) {
                String[] words = lines.get(target(file));
                if (words != null) {
                    int number = Integer.parseInt(file.getFileName().toString());
                    int state = Integer.parseInt(words[3], 16);
                    found.add(new TcpSocket(number, port(words[1]), port(words[2]), state));
                }
            }
        }
        return found;
    }

    private static int port(String address) {
        return Integer.parseInt(address.substring(address.indexOf(':') + 1), 16);
    }

    private static String target(Path file) {
        try {
            return Files.readSymbolicLink(file).toString();
        } catch (IOException e) {
            return ""; // closed meanwhile, as the one that lists this folder
        }
    }
}
