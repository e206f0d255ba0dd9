package org.yoloddp.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** The README says what is so. */
class ReadmeTest {

    private static final Path ROOT = Path.of("..");
    private static final Path SOURCES = Path.of("src/main/java/org/yoloddp/examples");

    @Test
    void runsTheProgramByOneCommand() throws IOException {
        assertThat(commandBelow("## Run it"))
                .isEqualTo(
                        "mvn -DskipTests package &&"
                                + " yolo-ddp-examples/target/yolo-ddp/bin/yolo-ddp quickstart");
    }

    @Test
    void testsByTheCommandThatTheContinuousIntegrationRuns() throws IOException {
        List<String> script = Files.readAllLines(ROOT.resolve(".ci/run"));
        assertThat(commandBelow("## Test it")).isEqualTo(script.get(script.size() - 1));
    }

    @Test
    void showsTheExamplesAsTheyAreCompiled() throws IOException {
        for (String name : List.of("TrainDetector", "TrainBlock")) {
            assertThat(blockAfter(name + ".java"))
                    .as("the block of %s in README.md", name)
                    .isEqualTo(withoutPackage(Files.readString(SOURCES.resolve(name + ".java"))));
        }
    }

    @Test
    void listsTheCommandsThatThereAre() throws IOException {
        Output help = new Output();
        help.run("--help");
        Matcher command = Pattern.compile("`yolo-ddp (\\w+)").matcher(readme());
        assertThat(command.results().map(found -> found.group(1)).distinct())
                .isNotEmpty()
                .allSatisfy(name -> assertThat(help.out()).contains("  " + name));
    }

    private static String withoutPackage(String text) {
        return text.substring(text.indexOf("import "));
    }

    /** The only line of the fenced block that directly follows a heading. */
    private static String commandBelow(String heading) throws IOException {
        Matcher found =
                Pattern.compile(Pattern.quote(heading) + "\\R\\R```sh\\R(.*)\\R```")
                        .matcher(readme());
        assertThat(found.find()).as("a fenced line below '%s'", heading).isTrue();
        return found.group(1);
    }

    private static String blockAfter(String mark) throws IOException {
        String text = readme();
        int from = text.indexOf("```java\n", text.indexOf(mark)) + "```java\n".length();
        return text.substring(from, text.indexOf("```", from));
    }

    private static String readme() throws IOException {
        return Files.readString(ROOT.resolve("README.md"));
    }
}
