package org.yoloddp.comm;

import java.io.IOException;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.yoloddp.error.ConfigurationException;

/**
 * Who a rank is, and what it needs to find the others.
 *
 * @param rank this rank's number in the world
 * @param size the number of ranks
 * @param localRank this rank's number on its host
 * @param hostId what counts as one host
 * @param device where the rank computes
 * @param store where the ranks find each other
 * @param deadline the longest that a collective, and connecting, may take
 */
public record GroupContext(
        int rank,
        int size,
        int localRank,
        String hostId,
        MemoryDevice device,
        Store store,
        Duration deadline) {

    /**
     * Checks the numbers.
     *
     * @param rank this rank's number in the world
     * @param size the number of ranks
     * @param localRank this rank's number on its host
     * @param hostId what counts as one host
     * @param device where the rank computes
     * @param store where the ranks find each other
     * @param deadline the longest that a collective, and connecting, may take
     * @throws ConfigurationException if the numbers do not fit together
     */
    public GroupContext {
        if (rank < 0 || rank >= size || localRank < 0) {
            throw new ConfigurationException(
                    "Rank " + rank + " (local " + localRank + ") of " + size + " cannot be");
        }
        if (deadline.isNegative() || deadline.isZero()) {
            throw new ConfigurationException("The deadline must be positive, not " + deadline);
        }
    }

    /**
     * Returns what counts as this host: the environment variable {@code YOLODDP_HOST_ID} if set,
     * otherwise the host's name.
     *
     * @return the host's id
     */
    public static String localHostId() {
        String id = System.getenv("YOLODDP_HOST_ID");
        if (id != null && !id.isBlank()) {
            return id.strip();
        }
        try {
            // No question to a name server, which may take long to answer.
            Path name = Path.of("/proc/sys/kernel/hostname");
            return Files.exists(name)
                    ? Files.readString(name, StandardCharsets.UTF_8).strip()
                    : InetAddress.getLocalHost().getHostName();
        } catch (IOException e) {
            return "localhost";
        }
    }
}
