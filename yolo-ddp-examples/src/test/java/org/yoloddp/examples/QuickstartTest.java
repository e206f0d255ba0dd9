package org.yoloddp.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The README's promise, on an otherwise idle machine of two cores. */
class QuickstartTest {

    @TempDir private Path folder;

    private final Output output = new Output();

    @Test
    void saysWhereTheImagesWouldBe() {
        String before = System.getProperty("yoloddp.home", "");
        System.setProperty("yoloddp.home", folder.toString());
        try {
            assertThat(output.run("quickstart")).isEqualTo(2);
        } finally {
            System.setProperty("yoloddp.home", before);
        }
        assertThat(output.errLines())
                .containsExactly(
                        "error: ConfigurationException: the bundled images are not at "
                                + folder.resolve("data/bccd/data.yaml")
                                + "; start by bin/yolo-ddp of the folder that 'mvn -DskipTests"
                                + " package' makes");
    }

    @Test
    @Tag("acceptance")
    void learnsInLessThanFourMinutes() {
        String before = System.getProperty("yoloddp.home", "");
        System.setProperty("yoloddp.home", "src/main");
        long start = System.nanoTime();
        try {
            assertThat(output.run("quickstart", "--project=" + folder)).as(output.err()).isZero();
        } finally {
            System.setProperty("yoloddp.home", before);
        }
        assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofMinutes(4));
        Matcher best = Pattern.compile("best mAP50 (0\\.\\d+)").matcher(output.out());
        assertThat(best.find()).as(output.out()).isTrue();
        assertThat(Double.parseDouble(best.group(1))).isGreaterThan(0.5);
        assertThat(folder.resolve("exp/pictures")).isNotEmptyDirectory();
    }
}
