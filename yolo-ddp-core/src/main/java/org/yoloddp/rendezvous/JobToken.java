package org.yoloddp.rendezvous;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.util.Base64;
import java.util.Map;
import java.util.Optional;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.yoloddp.error.ConfigurationException;

/**
 * The secret that all processes of a job share and nobody else has. It never travels: both sides of
 * a connection prove that they know it ({@link Handshake}). Immutable; its text is shown by {@link
 * #secret()} only.
 */
public final class JobToken {

    /** The environment variable that holds the secret. */
    public static final String VARIABLE = "YOLODDP_TOKEN";

    /** The environment variable that names a file with the secret; it comes first. */
    public static final String FILE_VARIABLE = "YOLODDP_TOKEN_FILE";

    private static final int SHORTEST = 16;
    private static final String ALGORITHM = "HmacSHA256";
    private static final JobToken NONE = new JobToken("");

    private final String secret;

    private JobToken(String secret) {
        this.secret = secret;
    }

    /**
     * Makes a fresh token of 256 random bits.
     *
     * @return the token
     */
    public static JobToken random() {
        byte[] bytes = new byte[32];
        new SecureRandom().nextBytes(bytes);
        return new JobToken(Base64.getUrlEncoder().withoutPadding().encodeToString(bytes));
    }

    /**
     * Makes a token of a given text.
     *
     * @param secret the text; white space around it is left out
     * @return the token
     * @throws ConfigurationException if it has less than 16 characters
     */
    public static JobToken of(String secret) {
        return of(secret, "The job token");
    }

    private static JobToken of(String secret, String what) {
        String text = secret.strip();
        if (text.length() < SHORTEST) {
            throw new ConfigurationException(
                    what
                            + " has "
                            + text.length()
                            + " characters, but needs "
                            + SHORTEST
                            + " or more: head -c 32 /dev/urandom | base64");
        }
        return new JobToken(text);
    }

    /**
     * Returns the token of those who have none: everybody has it, so it protects nothing. A
     * rendezvous takes it on the loopback interface only, unless told to be insecure.
     *
     * @return the empty token
     */
    public static JobToken none() {
        return NONE;
    }

    /**
     * Reads the token from {@code YOLODDP_TOKEN_FILE}, or else from {@code YOLODDP_TOKEN}.
     *
     * @param environment the variables
     * @return the token; empty if neither variable is set
     * @throws ConfigurationException if the file cannot be read, or the token is too short
     */
    public static Optional<JobToken> fromEnvironment(Map<String, String> environment) {
        String file = environment.get(FILE_VARIABLE);
        if (file != null && !file.isBlank()) {
            try {
                String what = "The job token in " + file.strip();
                return Optional.of(
                        of(Files.readString(Path.of(file.strip()), StandardCharsets.UTF_8), what));
            } catch (IOException e) {
                throw new ConfigurationException(
                        "The job token cannot be read from "
                                + file.strip()
                                + " ("
                                + FILE_VARIABLE
                                + "): "
                                + e);
            }
        }
        String text = environment.get(VARIABLE);
        return text == null || text.isBlank()
                ? Optional.empty()
                : Optional.of(of(text, "The job token in " + VARIABLE));
    }

    /**
     * Returns the secret, for the environment of a worker. Not for command lines, logs or messages.
     *
     * @return the text, empty for {@link #none()}
     */
    public String secret() {
        return secret;
    }

    /**
     * Tells whether this is {@link #none()}.
     *
     * @return true if it protects nothing
     */
    public boolean isNone() {
        return secret.isEmpty();
    }

    /** Computes what only those who know the secret can. */
    byte[] prove(String role, byte[]... parts) {
        try {
            Mac mac = Mac.getInstance(ALGORITHM);
            mac.init(
                    new SecretKeySpec(
                            ("yolo-ddp job token:" + secret).getBytes(StandardCharsets.UTF_8),
                            ALGORITHM));
            MessageWriter message = new MessageWriter().text(role);
            for (byte[] part : parts) {
                message.bytes(part);
            }
            return mac.doFinal(message.toBytes());
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("Every JVM has " + ALGORITHM, e);
        }
    }

    @Override
    public String toString() {
        return isNone() ? "JobToken[none]" : "JobToken[hidden]";
    }
}
