package org.yoloddp.rendezvous;

import java.io.IOException;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.Fingerprint;

/**
 * Failures and calls as bytes, for communicators that exchange them between processes. Nothing is
 * lost but the classes of causes, which become {@link org.yoloddp.comm.RemoteCauseException}s.
 */
public final class FailureMessages {

    private FailureMessages() {}

    /**
     * Writes a failure.
     *
     * @param failure a mismatch, a timeout, a failed rank or a lost store
     * @return the bytes
     * @throws IllegalArgumentException if it is of another kind
     */
    public static byte[] of(CommunicationException failure) {
        MessageWriter out = new MessageWriter();
        FailureCodec.write(out, failure);
        return out.toBytes();
    }

    /**
     * Reads a failure.
     *
     * @param message what {@link #of(CommunicationException)} wrote
     * @return the failure
     * @throws IOException if it is nothing of the kind
     */
    public static CommunicationException failure(byte[] message) throws IOException {
        return FailureCodec.read(new MessageReader(message));
    }

    /**
     * Writes a call.
     *
     * @param call what a rank asked for
     * @return the bytes
     */
    public static byte[] of(Fingerprint call) {
        MessageWriter out = new MessageWriter();
        FailureCodec.write(out, call);
        return out.toBytes();
    }

    /**
     * Reads a call.
     *
     * @param message what {@link #of(Fingerprint)} wrote
     * @return the call
     * @throws IOException if it is nothing of the kind
     */
    public static Fingerprint call(byte[] message) throws IOException {
        return FailureCodec.fingerprint(new MessageReader(message));
    }
}
