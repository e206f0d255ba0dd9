package org.yoloddp.launch;

import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.nio.file.attribute.UserPrincipal;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.rendezvous.JobToken;

/**
 * The files of a launch: log files, which stay, and a folder that only this user can look into,
 * with the token and the workers' error files, which goes at the end. What a launcher has left that
 * was killed goes when this user launches next on the same host.
 */
final class LaunchFiles implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(LaunchFiles.class);
    private static final String PREFIX = "yolo-ddp-launch-";

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
            Path secret =
                    Files.createTempDirectory(
                            folder, PREFIX + OwnerInName.prefix(), ownerOnly("rwx------"));
            removeStale(folder, Files.getOwner(secret));
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

    /** Where a worker may leave its last calls. */
    Path flightFile(int generation, int rank) {
        return secret.resolve("flight-" + generation + "-" + rank + ".txt");
    }

    /** Keeps what the workers of this node were at when the job failed, if there are log files. */
    void writeWhoWasWhere(JobState job, int groupRank, String text) {
        if (logs == null) {
            return;
        }
        Path file = generation(logs, job).resolve("who-was-where-node-" + groupRank + ".txt");
        try {
            Files.createDirectories(file.getParent());
            Files.writeString(file, text + "\n", StandardCharsets.UTF_8);
        } catch (IOException e) {
            LOG.warn("cannot write {}: {}", file, e.toString());
        }
    }

    private static Path generation(Path logs, JobState job) {
        return logs.resolve(job.runId()).resolve("generation_" + job.generation());
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
                : generation(logs, job)
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
        try {
            delete(secret);
        } catch (IOException e) {
            LOG.warn("{} is left over: {}", secret, e.toString());
        }
    }

    /**
     * Removes what launchers of this user have left that are gone. Only folders of the user's own:
     * into somebody else's, links could be put while they are emptied.
     */
    private static void removeStale(Path temporary, UserPrincipal user) {
        try (DirectoryStream<Path> folders = Files.newDirectoryStream(temporary, PREFIX + "*")) {
            for (Path folder : folders) {
                String name = folder.getFileName().toString();
                if (OwnerInName.isGone(name.substring(PREFIX.length()))
                        && Files.isDirectory(folder, LinkOption.NOFOLLOW_LINKS)
                        && Files.getOwner(folder, LinkOption.NOFOLLOW_LINKS).equals(user)) {
                    delete(folder);
                    LOG.info("removed {}, which a launcher had left that was killed", folder);
                }
            }
        } catch (IOException | UncheckedIOException | DirectoryIteratorException e) {
            // Perhaps another launcher starts at the same time and does the same.
            LOG.debug("cannot remove what was left in {}", temporary, e);
        }
    }

    private static void delete(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            List<Path> inside = files.sorted(Comparator.reverseOrder()).toList();
            for (Path file : inside) {
                Files.deleteIfExists(file);
            }
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
