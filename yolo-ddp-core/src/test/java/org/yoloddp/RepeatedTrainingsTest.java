package org.yoloddp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.yoloddp.testing.JavaProcess;

@Tag("process")
class RepeatedTrainingsTest {

    private static final Pattern HELD =
            Pattern.compile("run (\\d+): (\\d+) MB, (\\d+) threads, (\\d+) files");

    @Test
    void fiftyTrainingsLeaveNothingBehind() {
        assertNothingIsLeftBehind();
    }

    @Test
    void fiftyTrainingsThatFailLeaveNothingBehind() {
        assertNothingIsLeftBehind("failing");
    }

    private static void assertNothingIsLeftBehind(String... arguments) {
        assumeThat(Files.exists(Path.of("/proc/self/fd"))).as("/proc tells what is held").isTrue();
        String output =
                JavaProcess.of(RepeatedTrainings.class, arguments)
                        // a heap that doesn't grow and no compiler that works in the
                        // background, so that what grows is ours; glibc's own thresholds, so that
                        // what is freed is given back
                        .jvm("-Xms96m", "-Xmx96m", "-XX:+AlwaysPreTouch")
                        .jvm("-XX:TieredStopAtLevel=1")
                        .env("MALLOC_ARENA_MAX", "1")
                        .env("MALLOC_MMAP_THRESHOLD_", "131072")
                        .env("MALLOC_TRIM_THRESHOLD_", "131072")
                        .timeout(Duration.ofSeconds(110))
                        .run()
                        .output();
        Matcher held = HELD.matcher(output);
        assertThat(held.find()).as(output).isTrue();
        int megabytes = Integer.parseInt(held.group(2));
        int threads = Integer.parseInt(held.group(3));
        int files = Integer.parseInt(held.group(4));
        assertThat(held.find()).as(output).isTrue();
        assertThat(Integer.parseInt(held.group(2))).as(output).isLessThanOrEqualTo(megabytes + 20);
        assertThat(Integer.parseInt(held.group(3))).as(output).isLessThanOrEqualTo(threads);
        assertThat(Integer.parseInt(held.group(4))).as(output).isLessThanOrEqualTo(files);
    }
}
