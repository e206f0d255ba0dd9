package org.yoloddp.comm;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The last calls of a rank, as its log and the launcher get them. */
class FlightRecorderTest {

    @TempDir private Path folder;

    private final FlightRecorder recorder = new FlightRecorder(3);

    private FlightRecord record(long sequence) {
        return recorder.record(
                new Fingerprint(
                        "world",
                        sequence,
                        Operation.ALL_REDUCE,
                        DType.F32,
                        8,
                        ReduceOp.AVG,
                        -1,
                        List.of(),
                        "a\tb"));
    }

    private static String withoutTimes(String text) {
        return text.replaceAll("\\d+ ms before", "T");
    }

    @Test
    void theLastEightAreShown() {
        assertThat(recorder.dump()).isEqualTo("rank 3: before its first collective");
        record(0).ended(false);
        recorder.progress("train", 7);
        for (int i = 1; i < 100; i++) {
            record(i).started();
        }
        assertThat(withoutTimes(recorder.dump()))
                .hasLineCount(9)
                .startsWith("rank 3:\n  world #92 allReduce(AVG, F32 x 8, tag 'a\tb')")
                .endsWith(
                        " #99 allReduce(AVG, F32 x 8, tag 'a\tb') in phase 'train', step 7:"
                                + " under way T");
    }

    @Test
    void theFirstSavingCounts() throws Exception {
        Path file = folder.resolve("record");
        record(0).ended(false);
        recorder.progress("train", 7);
        FlightRecord last = record(1);
        last.started();
        last.ended(true);
        recorder.save(Map.of());
        recorder.save(Map.of(FlightRecorder.VARIABLE, file.toString()));
        record(2);
        recorder.save(Map.of(FlightRecorder.VARIABLE, file.toString()));
        assertThat(withoutTimes(Files.readString(file)))
                .isEqualTo(
                        "world\tcollective\t0\tallReduce(AVG, F32 x 8, tag 'a b')\t\tended T\n"
                                + "world\tcollective\t1\tallReduce(AVG, F32 x 8, tag 'a b')"
                                + "\tphase 'train', step 7\tunder way T\n");
    }
}
