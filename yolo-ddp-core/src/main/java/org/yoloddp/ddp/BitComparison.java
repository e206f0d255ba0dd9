package org.yoloddp.ddp;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import org.yoloddp.comm.Communicator;
import org.yoloddp.torch.StateDict;

/** Compares the bits that the ranks hold, by digests. */
final class BitComparison {

    /** Enough of a SHA-256: differences are accidents, not attacks. */
    private static final int DIGEST_BYTES = 16;

    private BitComparison() {}

    /** Throws the same exception on every rank if an entry differs from rank 0's. */
    static void requireEqual(Communicator communicator, List<StateDict.Entry> entries, long step) {
        byte[] mine = new byte[entries.size() * DIGEST_BYTES];
        for (int i = 0; i < entries.size(); i++) {
            String digest = StateDict.sha256(List.of(entries.get(i)));
            byte[] bytes = HexFormat.of().parseHex(digest, 0, 2 * DIGEST_BYTES);
            System.arraycopy(bytes, 0, mine, i * DIGEST_BYTES, DIGEST_BYTES);
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
}
