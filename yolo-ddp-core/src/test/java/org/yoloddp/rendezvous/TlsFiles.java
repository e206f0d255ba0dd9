package org.yoloddp.rendezvous;

import java.nio.file.Path;
import org.yoloddp.testing.TestCertificates;

/** Files for TLS of a test: an authority, and whom it vouches for. */
final class TlsFiles {

    private final Path folder;
    private final TestCertificates authority;
    private final Path trust;

    TlsFiles(Path folder, String name) {
        this.folder = folder;
        this.authority = TestCertificates.authority(name);
        this.trust = authority.writeCertificate(folder);
    }

    TestCertificates authority() {
        return authority;
    }

    Path trust() {
        return trust;
    }

    /** Who trusts the authority. */
    TlsOptions client() {
        return TlsOptions.trusting(trust);
    }

    /** Who trusts the authority, and has a certificate of its. */
    TlsOptions with(String name) {
        return with(authority.issue(name));
    }

    /** Who trusts the authority, and has a certificate of any. */
    TlsOptions with(TestCertificates own) {
        return client().withCertificate(own.writeCertificate(folder), own.writeKey(folder));
    }
}
