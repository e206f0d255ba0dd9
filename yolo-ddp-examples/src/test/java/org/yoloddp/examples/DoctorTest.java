package org.yoloddp.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.testing.TestCertificates;

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
    void saysWhetherTlsIsOnAndItsFilesCanBeRead(@TempDir Path folder) {
        assertThat(Doctor.tls(Map.of()))
                .isEqualTo(
                        Finding.info(
                                "TLS",
                                "off, YOLODDP_TLS_TRUST is not set: the store of ranks that are"
                                        + " processes is not encrypted"));
        TestCertificates own = TestCertificates.authority("our job");
        Map<String, String> variables =
                Map.of(
                        "YOLODDP_TLS_TRUST", own.writeCertificate(folder).toString(),
                        "YOLODDP_TLS_CERTIFICATE", own.writeCertificate(folder).toString(),
                        "YOLODDP_TLS_KEY", own.writeKey(folder).toString());
        assertThat(Doctor.tls(variables))
                .isEqualTo(
                        Finding.ok(
                                "TLS",
                                "trusts CN=our job, valid until "
                                        + own.until()
                                        + " | certificate: CN=our job, valid until "
                                        + own.until()));
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
