package org.yoloddp.launch;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.comm.CollectiveTimeoutException;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.rendezvous.RendezvousTimeoutException;

/**
 * The file in which a worker leaves what it died of, for the launcher's report: named by {@code
 * TORCHELASTIC_ERROR_FILE}, in the JSON of torchrun, which shows it as the root cause; a field
 * {@code yoloddp} beside it says which other rank is to blame, if one is. Thread-safe.
 */
public final class ErrorFile {

    /** The environment variable that names the file. */
    public static final String VARIABLE = "TORCHELASTIC_ERROR_FILE";

    private static final Logger LOG = LoggerFactory.getLogger(ErrorFile.class);

    private static final Gson GSON = new GsonBuilder().disableHtmlEscaping().create();

    private ErrorFile() {}

    /**
     * Writes a failure into the file that the environment names. Without such a variable it does
     * nothing; a file that cannot be written is logged, since the failure matters more.
     *
     * @param failure what this process ends with
     */
    public static void write(Throwable failure) {
        write(failure, System.getenv(), Clock.systemUTC());
    }

    static void write(Throwable failure, Map<String, String> environment, Clock clock) {
        String name = environment.get(VARIABLE);
        if (name == null || name.isBlank()) {
            return;
        }
        Path file = Path.of(name);
        Blame blame = blame(failure, environment.get("RANK"));
        // torchrun takes the failure with the smallest time, in whole seconds, for the root cause:
        // that of another rank must not look older than it is.
        long seconds = clock.instant().getEpochSecond() + (blame == null ? 0 : 1);
        JsonObject extra = new JsonObject();
        extra.addProperty("timestamp", Long.toString(seconds));
        extra.addProperty("py_callstack", stack(failure));
        JsonObject message = new JsonObject();
        message.addProperty("message", text(failure));
        message.add("extraInfo", extra);
        JsonObject whole = new JsonObject();
        whole.add("message", message);
        if (blame != null) {
            whole.add("yoloddp", GSON.toJsonTree(blame));
        }
        try {
            Path folder = file.toAbsolutePath().getParent();
            if (folder != null) {
                Files.createDirectories(folder);
            }
            Files.writeString(file, GSON.toJson(whole), StandardCharsets.UTF_8);
        } catch (IOException e) {
            LOG.warn("cannot write {}, which {} names: {}", file, VARIABLE, e.toString());
        }
    }

    /**
     * What a worker left.
     *
     * @param message exception and message in one line
     * @param blame the rank that it holds responsible, null if none but itself
     */
    record Content(String message, @Nullable Blame blame) {}

    /**
     * A rank that others hold responsible.
     *
     * @param rank its number in the world
     * @param host the host it ran on
     * @param pid its process
     */
    record Blame(int rank, String host, long pid) {}

    /** Reads what a worker left; empty if that is nothing, or no file of this kind. */
    static Optional<Content> read(Path file) {
        try {
            if (!Files.exists(file)) {
                return Optional.empty();
            }
            JsonElement whole =
                    JsonParser.parseString(Files.readString(file, StandardCharsets.UTF_8));
            JsonElement message = field(whole, "message");
            JsonElement text = message instanceof JsonObject ? field(message, "message") : message;
            if (!(text instanceof JsonPrimitive)) {
                throw new JsonParseException("there is no message");
            }
            return Optional.of(
                    new Content(
                            text.getAsString().lines().findFirst().orElse(""),
                            GSON.fromJson(field(whole, "yoloddp"), Blame.class)));
        } catch (IOException | JsonParseException e) {
            LOG.warn("{} is no error file of torchrun's kind: {}", file, e.toString());
            return Optional.empty();
        }
    }

    private static @Nullable JsonElement field(JsonElement object, String name) {
        return object instanceof JsonObject fields ? fields.get(name) : null;
    }

    private static @Nullable Blame blame(Throwable failure, @Nullable String ownRank) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (cause instanceof RankFailedException other
                    && !Integer.toString(other.rank()).equals(ownRank)) {
                return new Blame(other.rank(), other.host(), other.pid());
            }
            if (cause instanceof CollectiveTimeoutException late
                    && !late.missing().isEmpty()
                    && late.missing().stream()
                            .noneMatch(rank -> Integer.toString(rank).equals(ownRank))) {
                return new Blame(late.missing().get(0), "", -1);
            }
            if (cause instanceof RendezvousTimeoutException late) {
                return new Blame(late.missing().get(0), "", -1);
            }
        }
        return null;
    }

    private static String text(Throwable failure) {
        String message = failure.getMessage();
        return failure.getClass().getSimpleName()
                + (message == null ? "" : ": " + message.strip().replaceAll("\\s*\\R\\s*", " "));
    }

    private static String stack(Throwable failure) {
        StringWriter text = new StringWriter();
        try (PrintWriter writer = new PrintWriter(text)) {
            failure.printStackTrace(writer);
        }
        return text.toString();
    }
}
