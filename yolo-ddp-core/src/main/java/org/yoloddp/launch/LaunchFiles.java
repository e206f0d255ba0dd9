package org.yoloddp.launch;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.rendezvous.JobToken;

/**
 * The files of a launch: log files, which stay, and a folder that only this user can look into,
 * with the token and the workers' error files, which goes at the end.
 */
final class LaunchFiles implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(LaunchFiles.class);

    private final Path secret;
    private final @Nullable Path logs;
    private final Settings settings;

    private LaunchFiles(Path secret, @Nullable Path logs, Settings settings) {
        this.secret = secret;
        this.logs = logs;
        this.settings = settings;
    }

    static LaunchFiles create(Settings settings) {
        Path folder = Path.of(System.getProperty("java.io.tmpdir"));
        try {
            Path secret = Files.createTempDirectory("yolo-ddp-launch", ownerOnly("rwx------"));
            return new LaunchFiles(secret, logFolder(settings, folder), settings);
        } catch (IOException e) {
            throw LaunchException.cannotWrite(folder, e);
        }
    }

    private static @Nullable Path logFolder(Settings settings, Path temporary) {
        if (settings.logFolder() != null) {
            return settings.logFolder().toAbsolutePath();
        }
        boolean wanted = !settings.redirects().isEmpty() || !settings.tee().isEmpty();
        return wanted ? temporary.resolve("yolo-ddp-logs") : null;
    }

    /** Writes the token into a file that others cannot read. */
    Path writeToken(JobToken token) {
        Path file = secret.resolve("token");
        try {
            Files.createFile(file, ownerOnly("rw-------"));
            return Files.writeString(file, token.secret(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw LaunchException.cannotWrite(file, e);
        }
    }

    /** Where a worker may leave what it died of. */
    Path errorFile(int generation, int rank) {
        return secret.resolve("error-" + generation + "-" + rank + ".json");
    }

    /** Opens a worker's log file of a stream, 1 or 2, if it has one. */
    @Nullable OutputStream openLog(JobState job, int localRank, int rank, int stream) {
        Path file = logFile(job, localRank, rank, stream);
        if (file == null) {
            return null;
        }
        try {
            Path folder = file.getParent();
            if (folder != null) {
                Files.createDirectories(folder);
            }
            return Files.newOutputStream(file);
        } catch (IOException e) {
            throw LaunchException.cannotWrite(file, e);
        }
    }

    /** The name of that file; null if there is none. */
    @Nullable Path logFile(JobState job, int localRank, int rank, int stream) {
        boolean nothingSaid = settings.redirects().isEmpty() && settings.tee().isEmpty();
        boolean wanted =
                nothingSaid
                        || settings.redirects().has(localRank, stream)
                        || settings.tee().has(localRank, stream);
        return logs == null || !wanted
                ? null
                : logs.resolve(job.runId())
                        .resolve("generation_" + job.generation())
                        .resolve("rank_" + rank)
                        .resolve(stream == 1 ? "stdout.log" : "stderr.log");
    }

    /** Whether a stream, 1 or 2, of a worker is shown on the console. */
    boolean onConsole(int localRank, int stream) {
        return settings.tee().has(localRank, stream)
                || !settings.redirects().has(localRank, stream);
    }

    @Override
    public void close() {
        try (Stream<Path> files = Files.walk(secret)) {
            List<Path> inside = files.sorted(Comparator.reverseOrder()).toList();
            for (Path file : inside) {
                Files.deleteIfExists(file);
            }
        } catch (IOException e) {
            LOG.warn("{} is left over: {}", secret, e.toString());
        }
    }

    private static FileAttribute<?>[] ownerOnly(String permissions) {
        return FileSystems.getDefault().supportedFileAttributeViews().contains("posix")
                ? new FileAttribute<?>[] {
                    PosixFilePermissions.asFileAttribute(
                            PosixFilePermissions.fromString(permissions))
                }
                : new FileAttribute<?>[0];
    }
}
