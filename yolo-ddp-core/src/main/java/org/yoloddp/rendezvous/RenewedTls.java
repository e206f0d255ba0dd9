package org.yoloddp.rendezvous;

import java.nio.file.attribute.FileTime;
import java.time.Clock;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.error.ConfigurationException;

/**
 * What was read of a server's files, read again for the next connection once they are written anew,
 * because a job may outlive its certificates. As long as the new ones cannot be used, for one of
 * them may come after the other, it is what was read before. Used by one thread at a time.
 */
final class RenewedTls {

    private static final Logger LOG = LoggerFactory.getLogger(RenewedTls.class);

    private final TlsOptions options;
    private final Clock clock;
    private List<FileTime> written;
    private TlsContext context;

    /** Reads the files, which can be used. */
    RenewedTls(TlsOptions options, Clock clock) {
        this.options = options;
        this.clock = clock;
        this.written = options.written();
        this.context = TlsContext.forServer(options, clock);
    }

    TlsContext current() {
        List<FileTime> now = options.written();
        if (!now.equals(written)) {
            written = now;
            try {
                context = TlsContext.forServer(options, clock);
                LOG.info("the files for TLS were read again: {}", context.describe());
            } catch (ConfigurationException e) {
                LOG.warn(
                        "the files for TLS have changed; until they can be used it is what was read"
                                + " before: {}",
                        e.getMessage());
            }
        }
        return context;
    }
}
