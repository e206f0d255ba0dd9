package org.yoloddp.natives;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** The shared libraries that this process has mapped; known on Linux only. */
final class MappedLibraries {

    private static final Path MAPS = Path.of("/proc/self/maps");

    private final Set<Path> files;

    private MappedLibraries(Set<Path> files) {
        this.files = files;
    }

    static boolean known() {
        return Files.isReadable(MAPS);
    }

    /** Reads them; none where the system does not tell. */
    static MappedLibraries read() {
        if (!known()) {
            return new MappedLibraries(Set.of());
        }
        try (Stream<String> lines = Files.lines(MAPS)) {
            return parse(lines);
        } catch (IOException e) {
            throw NativeLibraryException.unreadable(MAPS, e);
        }
    }

    static MappedLibraries parse(Stream<String> lines) {
        Set<Path> files = new LinkedHashSet<>();
        lines.forEach(
                line -> {
                    int slash = line.indexOf('/');
                    if (slash >= 0 && line.contains(".so")) {
                        files.add(Path.of(line.substring(slash)));
                    }
                });
        return new MappedLibraries(files);
    }

    /** All different files whose name contains this (DJL puts a version before). */
    List<Path> named(String part) {
        return files.stream().filter(f -> f.getFileName().toString().contains(part)).toList();
    }

    @Nullable Path first(String part) {
        List<Path> found = named(part);
        return found.isEmpty() ? null : found.get(0);
    }
}
