package org.yoloddp.rendezvous;

import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.yoloddp.rendezvous.HandshakeException.Reason;

/**
 * The handshake without its input and output; used by one thread.
 *
 * <pre>
 * client                                          server
 * HELLO  magic, protocol, nonce, hello     ->
 *                                          <-     CHALLENGE nonce, hello, proof("server", all so far)
 * PROOF  proof("client", all so far)       ->
 *                                          <-     WELCOME
 * REFUSED reason, text                    <->     instead of any answer
 * </pre>
 *
 * <p>A proof is an HMAC-SHA256 by the job's token over both nonces and both greetings. Both nonces
 * are fresh, so a recorded handshake is worth nothing; the roles differ, so a proof cannot be
 * reflected. The server proves itself first: a client tells nothing but its greeting to a stranger.
 * Within an encrypted wire a proof also covers what only the wire's two ends have in common, so
 * that somebody who is the end of two wires cannot pass it on.
 */
final class HandshakeMachine {

    /** The longest message of a handshake. */
    static final int MAX_FRAME = 4096;

    private static final int MAGIC = 0x59444450;
    static final int PROTOCOL = 1;
    private static final int NONCE = 32;
    private static final int HELLO = 1;
    private static final int CHALLENGE = 2;
    private static final int PROOF = 3;
    private static final int WELCOME = 4;
    private static final int REFUSED = 5;

    /** How the first record of a TLS client begins, and one that a TLS server refuses with. */
    private static final int TLS_HANDSHAKE = 0x1603;

    private static final int TLS_ALERT = 0x1503;

    /**
     * What follows from a message.
     *
     * @param reply to be sent, if any
     * @param done whether the handshake has ended well
     * @param failure why it has failed, if it has
     */
    record Step(byte @Nullable [] reply, boolean done, @Nullable HandshakeException failure) {}

    private final JobToken token;
    private final Hello mine;
    private final boolean isClient;
    private final Function<Hello, Optional<String>> admission;
    private final String address;
    private final byte[] nonce = new byte[NONCE];
    private byte[] clientPart = {};
    private byte[] serverPart = {};
    private byte[] binding = {};
    private @Nullable Hello peer;
    private int expected;

    private HandshakeMachine(
            JobToken token,
            Hello mine,
            boolean isClient,
            Function<Hello, Optional<String>> admission,
            String address) {
        this.token = token;
        this.mine = mine;
        this.isClient = isClient;
        this.admission = admission;
        this.address = address;
        this.expected = isClient ? CHALLENGE : HELLO;
        new SecureRandom().nextBytes(nonce);
    }

    static HandshakeMachine client(JobToken token, Hello mine, String address) {
        return new HandshakeMachine(token, mine, true, hello -> Optional.empty(), address);
    }

    /** The purpose {@code *} of a server takes all; the admission decides then. */
    static HandshakeMachine server(
            JobToken token,
            Hello mine,
            Function<Hello, Optional<String>> admission,
            String address) {
        return new HandshakeMachine(token, mine, false, admission, address);
    }

    /** Returns what a client sends first; empty for a server. */
    Optional<byte[]> opening() {
        if (!isClient) {
            return Optional.empty();
        }
        clientPart = part(mine);
        return Optional.of(new MessageWriter().int8(HELLO).raw(clientPart).toBytes());
    }

    /** Takes the {@link Wire#binding} of an encrypted wire, before the first message. */
    void bind(byte[] value) {
        binding = value;
    }

    private byte[] part(Hello hello) {
        return new MessageWriter()
                .int32(MAGIC)
                .int32(PROTOCOL)
                .raw(nonce)
                .bytes(hello.toBytes())
                .toBytes();
    }

    /** Returns who the other side is, once the handshake is done. */
    Hello peer() {
        return Objects.requireNonNull(peer, "the handshake is not done");
    }

    /** Describes the other side as far as it has said who it is. */
    String peerText() {
        return peer == null ? address : peer.describe() + " at " + address;
    }

    Step receive(byte[] frame) {
        try {
            MessageReader in = new MessageReader(frame);
            int type = in.int8();
            if (type == REFUSED) {
                Reason reason = Reason.values()[Math.floorMod(in.int8(), Reason.values().length)];
                return new Step(null, false, failure(reason, Texts.clean(in.text()), null));
            }
            if (type != expected) {
                throw new MalformedMessageException(
                        "a message of type " + type + " instead of " + expected);
            }
            return switch (type) {
                case HELLO -> challenge(in);
                case CHALLENGE -> prove(in);
                case PROOF -> check(in);
                default -> new Step(null, true, null);
            };
        } catch (MalformedMessageException e) {
            return refuse(Reason.GARBAGE, "what came is no handshake (" + e.getMessage() + ")", e);
        }
    }

    private Step challenge(MessageReader in) throws MalformedMessageException {
        Optional<Step> refused = readPart(in);
        if (refused.isPresent()) {
            return refused.get();
        }
        in.end();
        serverPart = part(mine);
        expected = PROOF;
        return reply(new MessageWriter().int8(CHALLENGE).raw(serverPart).bytes(proof("server")));
    }

    private Step prove(MessageReader in) throws MalformedMessageException {
        Optional<Step> refused = readPart(in);
        if (refused.isPresent()) {
            return refused.get();
        }
        byte[] claimed = in.bytes();
        in.end();
        if (!MessageDigest.isEqual(claimed, proof("server"))) {
            return refuse(Reason.TOKEN, otherProof(), null);
        }
        expected = WELCOME;
        return reply(new MessageWriter().int8(PROOF).bytes(proof("client")));
    }

    private Step check(MessageReader in) throws MalformedMessageException {
        byte[] claimed = in.bytes();
        in.end();
        if (!MessageDigest.isEqual(claimed, proof("client"))) {
            return refuse(Reason.TOKEN, otherProof(), null);
        }
        Hello client = peer();
        if (mine.generation() >= 0
                && client.generation() >= 0
                && mine.generation() != client.generation()) {
            return refuse(
                    Reason.GENERATION,
                    client.describe()
                            + " is of generation "
                            + client.generation()
                            + ", "
                            + mine.describe()
                            + " of generation "
                            + mine.generation(),
                    null);
        }
        if (!client.version().equals(mine.version())) {
            return refuse(
                    Reason.VERSION,
                    client.describe()
                            + " has version "
                            + client.version()
                            + ", "
                            + mine.describe()
                            + " has version "
                            + mine.version(),
                    null);
        }
        Optional<String> objection = admission.apply(client);
        if (objection.isPresent()) {
            return refuse(Reason.ADMISSION, objection.get(), null);
        }
        return new Step(new MessageWriter().int8(WELCOME).toBytes(), true, null);
    }

    /** Reads the greeting of the other side, and keeps it for the proofs. */
    private Optional<Step> readPart(MessageReader in) throws MalformedMessageException {
        if (in.int32() != MAGIC) {
            throw new MalformedMessageException("no mark of yolo-ddp");
        }
        int protocol = in.int32();
        if (protocol != PROTOCOL) {
            return Optional.of(
                    refuse(
                            Reason.VERSION,
                            (isClient ? "the server" : "the client")
                                    + " speaks protocol "
                                    + protocol
                                    + ", the other side protocol "
                                    + PROTOCOL,
                            null));
        }
        byte[] theirNonce = in.raw(NONCE);
        byte[] bytes = in.bytes();
        Hello hello = Hello.of(bytes);
        byte[] part =
                new MessageWriter()
                        .int32(MAGIC)
                        .int32(protocol)
                        .raw(theirNonce)
                        .bytes(bytes)
                        .toBytes();
        if (isClient) {
            serverPart = part;
        } else {
            clientPart = part;
        }
        peer = hello;
        if (!hello.job().equals(mine.job())) {
            return Optional.of(
                    refuse(
                            Reason.JOB,
                            (isClient ? "the server" : "the client")
                                    + " is of job '"
                                    + hello.job()
                                    + "', the other side of another one",
                            null));
        }
        String any = "*";
        if (!hello.purpose().equals(mine.purpose())
                && !hello.purpose().equals(any)
                && !mine.purpose().equals(any)) {
            return Optional.of(
                    refuse(
                            Reason.PURPOSE,
                            (isClient ? "the server" : "the client")
                                    + " is there for '"
                                    + hello.purpose()
                                    + "', the other side for '"
                                    + mine.purpose()
                                    + "'",
                            null));
        }
        return Optional.empty();
    }

    private byte[] proof(String role) {
        return binding.length == 0
                ? token.prove(role, clientPart, serverPart)
                : token.prove(role, clientPart, serverPart, binding);
    }

    private String otherProof() {
        return "they have different job tokens"
                + (binding.length == 0
                        ? ""
                        : ", or somebody in between has a certificate that is trusted");
    }

    private static Step reply(MessageWriter message) {
        return new Step(message.toBytes(), false, null);
    }

    private Step refuse(Reason reason, String text, @Nullable Throwable cause) {
        return new Step(refusal(reason, text), false, failure(reason, text, cause));
    }

    /** Returns the message that tells the other side why nothing will come of it. */
    static byte[] refusal(Reason reason, String text) {
        byte[] message =
                new MessageWriter().int8(REFUSED).int8(reason.ordinal()).text(text).toBytes();
        return Arrays.copyOf(message, Math.min(message.length, MAX_FRAME));
    }

    /** Tells what the begin of a stream is that cannot be a message of a plain handshake. */
    Optional<WireException> otherLanguage(int head) {
        int begin = head >>> 16;
        if (!isClient && begin == TLS_HANDSHAKE) {
            return Optional.of(WireException.oneSided(true, WireException.Told.IN_PLAIN));
        }
        return isClient && begin == TLS_ALERT
                ? Optional.of(WireException.oneSided(false, WireException.Told.BOTH))
                : Optional.empty();
    }

    HandshakeException failure(Reason reason, String text, @Nullable Throwable cause) {
        Hello known = peer;
        String purpose =
                mine.purpose().equals("*") && known != null ? known.purpose() : mine.purpose();
        return HandshakeException.of(purpose, address, reason, text, cause);
    }
}
