package org.yoloddp.ddp;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.StringJoiner;
import org.yoloddp.comm.Communicator;

/**
 * Compares what the ranks have built, entry by entry in the order of the state dict.
 *
 * <p>Every rank sees the same descriptions, so all come to the same verdict and message.
 */
final class ModelComparison {

    private static final String SEPARATOR = "\n";

    private ModelComparison() {}

    /** What is compared of an entry: all that the exchange of raw memory relies on. */
    record Described(String name, String what) {

        @Override
        public String toString() {
            return what + " '" + name + "'";
        }
    }

    static void requireEqual(Communicator communicator, List<Described> mine) {
        List<byte[]> byRank = ByteExchange.allGather(communicator, encode(mine), "model");
        mismatch(byRank.stream().map(ModelComparison::decode).toList())
                .ifPresent(
                        e -> {
                            throw e;
                        });
    }

    /** Returns the first difference, empty if all ranks have built the same. */
    static Optional<ReplicaMismatchException> mismatch(List<List<Described>> byRank) {
        int longest = byRank.stream().mapToInt(List::size).max().orElse(0);
        for (int i = 0; i < longest; i++) {
            Map<String, List<Integer>> ranksByDescription = new LinkedHashMap<>();
            String name = null;
            for (int rank = 0; rank < byRank.size(); rank++) {
                List<Described> entries = byRank.get(rank);
                boolean present = i < entries.size();
                if (present && name == null) {
                    name = entries.get(i).name();
                }
                String description = present ? entries.get(i).toString() : "nothing";
                ranksByDescription.computeIfAbsent(description, d -> new ArrayList<>()).add(rank);
            }
            if (ranksByDescription.size() > 1 && name != null) {
                StringJoiner whatEachHas = new StringJoiner(", ");
                ranksByDescription.forEach(
                        (description, ranks) ->
                                whatEachHas.add(
                                        description
                                                + " on "
                                                + ReplicaDivergedException.ranks(ranks)));
                return Optional.of(ReplicaMismatchException.of(name, whatEachHas.toString()));
            }
        }
        return Optional.empty();
    }

    private static byte[] encode(List<Described> entries) {
        StringJoiner text = new StringJoiner(SEPARATOR);
        entries.forEach(entry -> text.add(entry.name()).add(entry.what()));
        return text.toString().getBytes(StandardCharsets.UTF_8);
    }

    private static List<Described> decode(byte[] bytes) {
        String text = new String(bytes, StandardCharsets.UTF_8);
        List<Described> entries = new ArrayList<>();
        String[] lines = text.split(SEPARATOR, -1);
        for (int i = 0; i + 1 < lines.length; i += 2) {
            entries.add(new Described(lines[i], lines[i + 1]));
        }
        return entries;
    }
}
