package org.yoloddp.examples;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/**
 * A word that a rank of the toy job left in the job's folder.
 *
 * @param generation of which start of the ranks
 * @param rank whose
 * @param micros when, since 1970
 * @param words what
 */
record RankNote(int generation, int rank, long micros, List<String> words) {

    /** Reads those of a kind, such as {@code fault}, in order of time. */
    static List<RankNote> of(Path folder, String kind) throws IOException {
        List<RankNote> notes = new ArrayList<>();
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.toList()) {
                String[] name = file.getFileName().toString().split("\\.", -1);
                if (!name[0].equals(kind)) {
                    continue;
                }
                String text = Files.readString(file, StandardCharsets.UTF_8).strip();
                if (text.isEmpty()) {
                    continue; // its writer died of it
                }
                String[] words = text.split(" ", -1);
                notes.add(
                        new RankNote(
                                Integer.parseInt(name[1]),
                                Integer.parseInt(name[2]),
                                Long.parseLong(words[0]),
                                List.of(words).subList(1, words.length)));
            }
        }
        notes.sort(Comparator.comparingLong(RankNote::micros));
        return notes;
    }
}
