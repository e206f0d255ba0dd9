package org.yoloddp.launch;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What the flight recorders of a node's ranks have left, side by side: for each group the last call
 * of each rank and how it stood, and which ranks are behind.
 */
final class WhoWasWhere {

    private static final Logger LOG = LoggerFactory.getLogger(WhoWasWhere.class);
    private static final int COLUMNS = 6;

    /** A line of a recorder, see FlightRecorder.save. */
    private record Line(
            String group,
            boolean isCollective,
            long sequence,
            String operation,
            String place,
            String state) {}

    private WhoWasWhere() {}

    /** Merges the files of some ranks; empty if none of them has left anything. */
    static Optional<String> merge(SortedMap<Integer, Path> files) {
        SortedMap<Integer, List<Line>> ranks = new TreeMap<>();
        files.forEach((rank, file) -> ranks.put(rank, lines(file)));
        Map<String, SortedMap<Integer, List<Line>>> groups = new LinkedHashMap<>();
        ranks.forEach(
                (rank, lines) ->
                        lines.forEach(
                                line ->
                                        groups.computeIfAbsent(line.group, g -> new TreeMap<>())
                                                .computeIfAbsent(rank, r -> new ArrayList<>())
                                                .add(line)));
        if (groups.isEmpty()) {
            return Optional.empty();
        }
        StringBuilder text = new StringBuilder("who was where when the job failed:");
        groups.forEach((group, members) -> append(text, group, members));
        ranks.forEach(
                (rank, lines) -> {
                    if (lines.isEmpty()) {
                        text.append("\nrank ").append(rank).append(" has left no record");
                    }
                });
        return Optional.of(text.toString());
    }

    private static void append(
            StringBuilder text, String group, SortedMap<Integer, List<Line>> members) {
        text.append("\ngroup '").append(group).append("':");
        long farthest = members.values().stream().mapToLong(WhoWasWhere::sequence).max().orElse(-1);
        members.forEach(
                (rank, lines) -> {
                    Line last = lines.get(lines.size() - 1);
                    long behind = farthest - sequence(lines);
                    text.append("\n  rank ").append(rank).append(": ");
                    text.append(last.isCollective ? "collective " : "message ");
                    text.append(last.sequence).append(", ").append(last.operation);
                    text.append(last.place.isEmpty() ? "" : ", in " + last.place);
                    text.append(", ").append(last.state);
                    if (behind > 0) {
                        text.append("; ").append(behind);
                        text.append(behind == 1 ? " collective behind" : " collectives behind");
                    }
                });
    }

    /** The number of the last collective that a rank has asked for; messages count by pair. */
    private static long sequence(List<Line> lines) {
        return lines.stream().filter(Line::isCollective).mapToLong(Line::sequence).max().orElse(-1);
    }

    private static List<Line> lines(Path file) {
        List<Line> lines = new ArrayList<>();
        try {
            if (Files.exists(file)) {
                for (String text : Files.readAllLines(file, StandardCharsets.UTF_8)) {
                    String[] words = text.split("\t", -1);
                    if (words.length == COLUMNS) {
                        lines.add(line(words));
                    }
                }
            }
        } catch (IOException | NumberFormatException e) {
            LOG.warn("{} is no record of a rank's last calls: {}", file, e.toString());
        }
        return lines;
    }

    private static Line line(String[] words) {
        return new Line(
                words[0],
                words[1].equals("collective"),
                Long.parseLong(words[2]),
                words[3],
                words[4],
                words[5]);
    }
}
