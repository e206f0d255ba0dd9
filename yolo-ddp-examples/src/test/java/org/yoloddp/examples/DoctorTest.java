package org.yoloddp.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DoctorTest {

    private final Output output = new Output();

    @Test
    @Tag("torch")
    void findsWhatTrainingNeeds() {
        assertThat(output.run("doctor")).as(output.out()).isZero();
        assertThat(output.out())
                .contains("Java", "cores", "memory", "libtorch", "OpenCV", "DJL", "GPUs")
                .endsWith("This machine can train.\n");
    }

    @Test
    void saysWhetherTlsIsOnAndItsFilesCanBeRead(@TempDir Path folder) throws Exception {
        assertThat(Doctor.tls(Map.of()))
                .isEqualTo(
                        Finding.info(
                                "TLS",
                                "off, YOLODDP_TLS_TRUST is not set: the store of ranks that are"
                                        + " processes is not encrypted"));
        Path trusted = folder.resolve("job.crt");
        keytool(folder, "-genkeypair", "-keyalg", "EC", "-dname", "CN=our job");
        keytool(folder, "-exportcert", "-rfc", "-file", trusted.toString());
        Finding on = Doctor.tls(Map.of("YOLODDP_TLS_TRUST", trusted.toString()));
        assertThat(on.state()).isEqualTo(Finding.State.OK);
        assertThat(on.text())
                .matches("trusts CN=our job, valid until [-0-9T:]+Z \\| certificate: none");
        Path missing = folder.resolve("missing.crt");
        assertThat(Doctor.tls(Map.of("YOLODDP_TLS_TRUST", missing.toString())))
                .isEqualTo(
                        Finding.missing(
                                "TLS",
                                "TLS cannot use the file "
                                        + missing
                                        + " (YOLODDP_TLS_TRUST): it cannot be read:"
                                        + " java.nio.file.NoSuchFileException: "
                                        + missing
                                        + "."));
    }

    private static void keytool(Path folder, String... arguments) throws Exception {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "keytool").toString());
        command.addAll(List.of(arguments));
        command.addAll(List.of("-alias", "own", "-storepass", "of this test"));
        command.addAll(List.of("-keystore", folder.resolve("keys").toString()));
        Process keytool =
                new ProcessBuilder(command)
                        .redirectErrorStream(true)
                        .redirectOutput(folder.resolve("out").toFile())
                        .start();
        assertThat(keytool.waitFor(30, TimeUnit.SECONDS)).isTrue();
        assertThat(keytool.exitValue()).as(Files.readString(folder.resolve("out"))).isZero();
    }

    @Test
    void reportCountsAboveOneAsFaster() {
        assertThat(BenchReport.Row.against("step", 100, "rival", 125).ratio()).isEqualTo(1.25);
        assertThat(
                        new BenchReport(
                                        "step",
                                        Map.of(),
                                        List.of(BenchReport.Row.against("a", 10, "b", 12)))
                                .lines())
                .containsExactly("a: 10.0 ms, b 12.0 ms, ratio 1.20 (above 1: ours is faster)");
    }
}
