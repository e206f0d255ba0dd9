package org.yoloddp.examples;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * Where jobs that fail put their things, and what they have left there.
 *
 * @param work of the benchmark
 * @param temporary the folder for temporary files of all processes of all jobs
 */
record FaultFolders(Path work, Path temporary) implements AutoCloseable {

    private static final Path SHARED_MEMORY = Path.of("/dev/shm");

    static FaultFolders create() throws IOException {
        Path work = Files.createTempDirectory("yolo-ddp-bench");
        return new FaultFolders(work, Files.createDirectory(work.resolve("tmp")));
    }

    /** A new folder for a job. */
    Path job(String name) throws IOException {
        return Files.createDirectory(work.resolve(name));
    }

    /** Temporary files of jobs. */
    List<String> leftTemporary() throws IOException {
        return names(temporary, "*");
    }

    /** Segments of shared memory that these processes have made. */
    static List<String> leftSegments(Set<Long> processes) throws IOException {
        List<String> left = new ArrayList<>();
        for (String name : names(SHARED_MEMORY, "yolo-ddp-*")) {
            String[] parts = name.split("-", -1);
            // yolo-ddp-NAMESPACE-PID-START-...
            if (parts.length > 4 && processes.contains(Long.parseLong(parts[3]))) {
                left.add(name);
            }
        }
        return left;
    }

    private static List<String> names(Path folder, String glob) throws IOException {
        List<String> names = new ArrayList<>();
        if (Files.isDirectory(folder)) {
            try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, glob)) {
                files.forEach(file -> names.add(file.getFileName().toString()));
            }
        }
        return names;
    }

    @Override
    public void close() throws IOException {
        Folders.delete(work);
    }
}
