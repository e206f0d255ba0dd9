package org.yoloddp.launch;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.SortedMap;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The last calls of ranks side by side. */
class WhoWasWhereTest {

    @TempDir private Path folder;

    private final SortedMap<Integer, Path> files = new TreeMap<>();

    private void left(int rank, String... lines) throws IOException {
        Path file = folder.resolve("rank" + rank);
        if (lines.length > 0) {
            Files.writeString(file, String.join("\n", lines).replace('|', '\t') + "\n");
        }
        files.put(rank, file);
    }

    @Test
    void whoIsBehindIsSeen() throws Exception {
        left(
                0,
                "world|collective|300|allReduce(a)|phase 'train', step 150|ended 20 ms before",
                "world|collective|301|allReduce(b)|phase 'train', step 150|under way 9 ms before");
        left(1, "world|collective|299|allReduce(b)|phase 'train', step 149|ended 30 ms before");
        left(
                3,
                "world|collective|301|allReduce(b)||asked for 9 ms before",
                "pair|message|4|send(c)||ended 1 ms before");
        left(2);
        assertThat(WhoWasWhere.merge(files))
                .contains(
                        "who was where when the job failed:\n"
                                + "group 'world':\n"
                                + "  rank 0: collective 301, allReduce(b), in phase 'train', step"
                                + " 150, under way 9 ms before\n"
                                + "  rank 1: collective 299, allReduce(b), in phase 'train', step"
                                + " 149, ended 30 ms before; 2 collectives behind\n"
                                + "  rank 3: collective 301, allReduce(b), asked for 9 ms before\n"
                                + "group 'pair':\n"
                                + "  rank 3: message 4, send(c), ended 1 ms before\n"
                                + "rank 2 has left no record");
    }

    @Test
    void whereNobodyHasLeftAnythingThereIsNothingToSay() throws Exception {
        left(0);
        left(1, "something else");
        left(2, "world|collective|x|allReduce(b)||ended");
        assertThat(WhoWasWhere.merge(files)).isEmpty();
    }
}
