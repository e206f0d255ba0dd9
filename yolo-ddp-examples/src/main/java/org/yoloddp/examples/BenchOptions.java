package org.yoloddp.examples;

import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** What all benchmarks can be told. */
final class BenchOptions {

    /** Whom to compare with. */
    enum Rival {
        /** PyTorch. */
        PYTHON
    }

    @Option(names = "--rival", description = "Compare with: ${COMPLETION-CANDIDATES}.")
    @Nullable Rival rival;

    @Option(
            names = "--python",
            defaultValue = "python3",
            description = "The Python that has the rival's packages.")
    String python = "";

    @Option(names = "--json", description = "Print one JSON object.")
    boolean json;

    boolean withPython() {
        return rival == Rival.PYTHON;
    }

    /** Starts a script of the program's folder. */
    TurnProcess start(String script, List<String> options, boolean tunedAllocator) {
        Path file = Home.folder().resolve("python").resolve(script);
        return TurnProcess.python(python, file, options, tunedAllocator);
    }
}
