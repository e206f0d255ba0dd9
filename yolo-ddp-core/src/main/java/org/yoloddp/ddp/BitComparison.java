package org.yoloddp.ddp;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.yoloddp.comm.Communicator;
import org.yoloddp.torch.ForeignMemory;
import org.yoloddp.torch.StateDict;

/** Compares the bits that the ranks hold, by digests. */
final class BitComparison {

    /** Enough of a SHA-256: differences are accidents, not attacks. */
    private static final int DIGEST_BYTES = 16;

    private BitComparison() {}

    /** Throws the same exception on every rank if an entry differs from rank 0's. */
    static void requireEqual(
            Communicator communicator, List<StateDict.Entry> entries, long step) {
        byte[] mine = new byte[entries.size() * DIGEST_BYTES];
        for (int i = 0; i < entries.size(); i++) {
            byte[] digest = sha256(ForeignMemory.bytes(entries.get(i).array()));
            System.arraycopy(digest, 0, mine, i * DIGEST_BYTES, DIGEST_BYTES);
        }
        List<byte[]> byRank = ByteExchange.allGather(communicator, mine, "digests");
        for (int i = 0; i < entries.size(); i++) {
            List<Integer> others = new ArrayList<>();
            int from = i * DIGEST_BYTES;
            int to = from + DIGEST_BYTES;
            for (int rank = 1; rank < byRank.size(); rank++) {
                if (!Arrays.equals(byRank.get(0), from, to, byRank.get(rank), from, to)) {
                    others.add(rank);
                }
            }
            if (!others.isEmpty()) {
                throw ReplicaDivergedException.of(entries.get(i).name(), others, step);
            }
        }
    }

    /** Returns every rank's text, by rank. */
    static List<String> gather(Communicator communicator, String mine, String tag) {
        return ByteExchange.allGather(communicator, mine.getBytes(StandardCharsets.UTF_8), tag)
                .stream()
                .map(bytes -> new String(bytes, StandardCharsets.UTF_8))
                .toList();
    }

    private static byte[] sha256(byte[] bytes) {
        try {
            return MessageDigest.getInstance("SHA-256").digest(bytes);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }
}
