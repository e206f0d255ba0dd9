package org.yoloddp.testing;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Files that are too big, or not free enough, for the test resources: they lie beside the
 * repository, and a test that needs one is skipped, with the reason, where they are missing.
 *
 * <p>Looked for, in this order: the system property {@code YOLODDP_SHARED}, the environment
 * variable of that name, {@code ../shared} beside the repository. Weights also where {@code
 * YOLODDP_WEIGHTS} points.
 */
public final class SharedFiles {

    private SharedFiles() {}

    /**
     * Returns the file, or skips the calling test. For example {@code golden/forward.safetensors}.
     */
    public static Path require(String relative) {
        return found(relative, folders("YOLODDP_SHARED", relative));
    }

    /** Returns the file of weights, or skips the calling test. */
    public static Path requireWeights(String name) {
        List<Path> candidates = new ArrayList<>();
        String folder = setting("YOLODDP_WEIGHTS");
        if (folder != null) {
            candidates.add(Path.of(folder).resolve(name));
        }
        candidates.addAll(folders("YOLODDP_SHARED", "weights/" + name));
        return found(name, candidates);
    }

    private static Path found(String what, List<Path> candidates) {
        for (Path candidate : candidates) {
            if (Files.isReadable(candidate)) {
                return candidate;
            }
        }
        assumeTrue(false, what + " is not here; looked at " + candidates);
        throw new AssertionError("not reached");
    }

    private static List<Path> folders(String variable, String relative) {
        List<Path> candidates = new ArrayList<>();
        String folder = setting(variable);
        if (folder != null) {
            candidates.add(Path.of(folder).resolve(relative));
        }
        candidates.add(repository().resolveSibling("shared").resolve(relative));
        return candidates;
    }

    private static @Nullable String setting(String variable) {
        String property = System.getProperty(variable);
        return property != null ? property : System.getenv(variable);
    }

    /** The folder that holds the modules; Maven runs a module's tests in the module's folder. */
    public static Path repository() {
        Path folder = Path.of("").toAbsolutePath();
        while (!Files.isDirectory(folder.resolve("yolo-ddp-core"))) {
            Path parent = folder.getParent();
            if (parent == null) {
                throw new IllegalStateException(
                        "not inside the repository: " + Path.of("").toAbsolutePath());
            }
            folder = parent;
        }
        return folder;
    }
}
