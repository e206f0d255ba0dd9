package org.yoloddp.rendezvous;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.error.ConfigurationException;

class JobTokenTest {

    private static final String SECRET = "0123456789abcdef";

    @TempDir Path folder;

    @Test
    void fileComesBeforeTheVariable() throws IOException {
        Path file = folder.resolve("token");
        Files.write(file, (SECRET + "\n").getBytes(StandardCharsets.UTF_8));
        assertThat(
                        JobToken.fromEnvironment(
                                        Map.of(
                                                "YOLODDP_TOKEN_FILE",
                                                file.toString(),
                                                "YOLODDP_TOKEN",
                                                "another secret text"))
                                .orElseThrow()
                                .secret())
                .isEqualTo(SECRET);
        assertThat(
                        JobToken.fromEnvironment(Map.of("YOLODDP_TOKEN", " " + SECRET))
                                .orElseThrow()
                                .secret())
                .isEqualTo(SECRET);
        assertThat(JobToken.fromEnvironment(Map.of("YOLODDP_TOKEN", " "))).isEmpty();
    }

    @Test
    void isNeverShown() {
        JobToken token = JobToken.random();
        assertThat(token.secret()).hasSizeGreaterThan(40);
        assertThat(token).hasToString("JobToken[hidden]");
        assertThat(JobToken.random().secret()).isNotEqualTo(token.secret());
        assertThat(JobToken.none()).hasToString("JobToken[none]");
    }

    @Test
    void whatIsNoTokenIsRefused() throws IOException {
        assertThatThrownBy(() -> JobToken.fromEnvironment(Map.of("YOLODDP_TOKEN", "short")))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "The job token in YOLODDP_TOKEN has 5 characters, but needs 16 or more: head"
                                + " -c 32 /dev/urandom | base64");
        Path file = folder.resolve("missing");
        assertThatThrownBy(
                        () ->
                                JobToken.fromEnvironment(
                                        Map.of("YOLODDP_TOKEN_FILE", file.toString())))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "The job token cannot be read from "
                                + file
                                + " (YOLODDP_TOKEN_FILE): java.nio.file.NoSuchFileException: "
                                + file);
    }
}
