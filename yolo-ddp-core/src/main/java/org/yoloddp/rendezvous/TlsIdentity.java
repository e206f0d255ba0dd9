package org.yoloddp.rendezvous;

import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.cert.X509Certificate;
import java.time.Clock;
import java.time.Instant;
import java.util.List;
import java.util.Map;

/**
 * A certificate with those that vouch for it, and its private key; they belong together, and the
 * certificate is valid now.
 *
 * @param chain the certificate first
 * @param key of the first certificate
 * @param exposed whether other users of this host can read the key
 */
record TlsIdentity(List<X509Certificate> chain, PrivateKey key, boolean exposed) {

    /** Signatures by the algorithm of the key, with which TLS 1.3 can prove its possession. */
    private static final Map<String, String> SIGNATURES =
            Map.of("RSA", "SHA256withRSA", "EC", "SHA256withECDSA", "EdDSA", "EdDSA");

    /** Reads the files of {@link TlsOptions}. */
    static TlsIdentity read(Path certificate, Path key, Clock clock) {
        List<X509Certificate> chain =
                PemFiles.certificates(certificate, TlsOptions.CERTIFICATE_VARIABLE);
        X509Certificate own = chain.get(0);
        Instant now = clock.instant();
        if (now.isAfter(own.getNotAfter().toInstant())) {
            throw PemFiles.unusable(
                    certificate,
                    TlsOptions.CERTIFICATE_VARIABLE,
                    "it expired at " + own.getNotAfter().toInstant() + "; make another");
        }
        if (now.isBefore(own.getNotBefore().toInstant())) {
            throw PemFiles.unusable(
                    certificate,
                    TlsOptions.CERTIFICATE_VARIABLE,
                    "it is valid from "
                            + own.getNotBefore().toInstant()
                            + " on, but this host's clock says "
                            + now);
        }
        String algorithm = own.getPublicKey().getAlgorithm();
        String signature = SIGNATURES.get(algorithm);
        if (signature == null) {
            throw PemFiles.unusable(
                    certificate,
                    TlsOptions.CERTIFICATE_VARIABLE,
                    "it has a key for " + algorithm + ", but RSA, EC or Ed25519 are needed");
        }
        PrivateKey secret = PemFiles.privateKey(key, TlsOptions.KEY_VARIABLE, algorithm);
        if (!belong(own, secret, signature)) {
            throw PemFiles.unusable(
                    key,
                    TlsOptions.KEY_VARIABLE,
                    "it is not the key of the certificate in " + certificate);
        }
        return new TlsIdentity(List.copyOf(chain), secret, PemFiles.isOpenToOthers(key));
    }

    private static boolean belong(X509Certificate own, PrivateKey secret, String algorithm) {
        try {
            byte[] message = {1, 2, 3};
            Signature signing = Signature.getInstance(algorithm);
            signing.initSign(secret);
            signing.update(message);
            Signature verifying = Signature.getInstance(algorithm);
            verifying.initVerify(own.getPublicKey());
            verifying.update(message);
            return verifying.verify(signing.sign());
        } catch (GeneralSecurityException e) {
            return false; // such as keys of unlike lengths or curves
        }
    }

    /** Says whose certificate it is, and until when. */
    String describe() {
        return describe(chain.get(0));
    }

    /** Says whose a certificate is, and until when. */
    static String describe(X509Certificate certificate) {
        return Texts.clean(certificate.getSubjectX500Principal().getName())
                + ", valid until "
                + certificate.getNotAfter().toInstant();
    }

    @Override
    public String toString() {
        return "TlsIdentity[" + describe() + "]";
    }
}
