package org.yoloddp.rendezvous;

import java.time.Duration;
import java.util.Objects;
import org.yoloddp.error.ConfigurationException;

/**
 * How a store is served and used. Immutable; both sides must agree on the job.
 *
 * <p>Defaults: job {@code default}, no generation, no rank, not insecure, no TLS, 5 s for a
 * handshake, 4096 connections, messages of 4 MiB and 256 MiB of values at most.
 */
public final class StoreOptions {

    private static final StoreOptions DEFAULTS = new StoreOptions();

    private String job = "default";
    private int generation = -1;
    private int rank = -1;
    private boolean insecure;
    private Duration handshakeDeadline = Duration.ofSeconds(5);
    private int maxConnections = 4096;
    private int maxMessageBytes = 4 << 20;
    private long maxStoreBytes = 256L << 20;
    private Heartbeats heartbeats = Heartbeats.defaults();
    private String scope = "";
    private TlsOptions tls = TlsOptions.off();

    private StoreOptions() {}

    private StoreOptions(StoreOptions other) {
        this.job = other.job;
        this.generation = other.generation;
        this.rank = other.rank;
        this.insecure = other.insecure;
        this.handshakeDeadline = other.handshakeDeadline;
        this.maxConnections = other.maxConnections;
        this.maxMessageBytes = other.maxMessageBytes;
        this.maxStoreBytes = other.maxStoreBytes;
        this.heartbeats = other.heartbeats;
        this.scope = other.scope;
        this.tls = other.tls;
    }

    /**
     * Returns the defaults.
     *
     * @return the defaults
     */
    public static StoreOptions defaults() {
        return DEFAULTS;
    }

    /**
     * Returns a copy with another job.
     *
     * @param name the name of the job, the same in all its processes
     * @return the copy
     */
    public StoreOptions withJob(String name) {
        StoreOptions copy = new StoreOptions(this);
        copy.job = Objects.requireNonNull(name);
        return copy;
    }

    /**
     * Returns a copy for a worker of a restart generation: its keys are apart from those of other
     * generations, and it is refused once a later generation has begun.
     *
     * @param number the number of restarts before; -1 (the default) for a process that outlives
     *     restarts, which sees the keys of generation n below {@code gn/}
     * @return the copy
     */
    public StoreOptions withGeneration(int number) {
        StoreOptions copy = new StoreOptions(this);
        copy.generation = Math.max(-1, number);
        return copy;
    }

    /**
     * Returns a copy for one of several meetings of the same ranks.
     *
     * @param name put before all keys of this client, within those of its generation; default empty
     * @return the copy
     */
    public StoreOptions withScope(String name) {
        StoreOptions copy = new StoreOptions(this);
        copy.scope = Objects.requireNonNull(name);
        return copy;
    }

    /**
     * Returns a copy for a rank: while it is connected, no second process can be this rank.
     *
     * @param number the rank by number in the world; -1 (the default) for a process that is none
     * @return the copy
     */
    public StoreOptions withRank(int number) {
        StoreOptions copy = new StoreOptions(this);
        copy.rank = Math.max(-1, number);
        return copy;
    }

    /**
     * Returns a copy that allows a rendezvous beyond the loopback interface without a token.
     *
     * @param value true to let everybody on the network join; default false
     * @return the copy
     */
    public StoreOptions withInsecure(boolean value) {
        StoreOptions copy = new StoreOptions(this);
        copy.insecure = value;
        return copy;
    }

    /**
     * Returns a copy with another deadline of handshakes.
     *
     * @param value how long one may take; default 5 seconds
     * @return the copy
     */
    public StoreOptions withHandshakeDeadline(Duration value) {
        if (value.isZero() || value.isNegative()) {
            throw new ConfigurationException(
                    "The deadline of the handshake must be positive, not " + value);
        }
        StoreOptions copy = new StoreOptions(this);
        copy.handshakeDeadline = value;
        return copy;
    }

    /**
     * Returns a copy with another limit of connections.
     *
     * @param value how many a server takes at once; default 4096. One in eight of them, at most,
     *     may be in its handshake
     * @return the copy
     */
    public StoreOptions withMaxConnections(int value) {
        StoreOptions copy = new StoreOptions(this);
        copy.maxConnections = positive("connections", value);
        return copy;
    }

    /**
     * Returns a copy with another limit of messages.
     *
     * @param value the bytes of the longest message, and so about those of the longest value;
     *     default 4 MiB
     * @return the copy
     */
    public StoreOptions withMaxMessageBytes(int value) {
        StoreOptions copy = new StoreOptions(this);
        copy.maxMessageBytes = positive("bytes of a message", value);
        return copy;
    }

    /**
     * Returns a copy with another limit of values.
     *
     * @param value the bytes of all keys and values that a server keeps; default 256 MiB
     * @return the copy
     */
    public StoreOptions withMaxStoreBytes(int value) {
        StoreOptions copy = new StoreOptions(this);
        copy.maxStoreBytes = positive("bytes of the store", value);
        return copy;
    }

    /**
     * Returns a copy with other heartbeats.
     *
     * @param value how failures are noticed; the same on all ranks of a job. A server takes what
     *     its clients have, and this for those that have not said so yet
     * @return the copy
     * @throws ConfigurationException if they make no sense
     */
    public StoreOptions withHeartbeats(Heartbeats value) {
        StoreOptions copy = new StoreOptions(this);
        copy.heartbeats = value.validate();
        return copy;
    }

    /**
     * Returns a copy with or without TLS.
     *
     * @param value whose certificates are trusted, and this process's own; default {@link
     *     TlsOptions#off}, and on for all processes of a job or for none
     * @return the copy
     */
    public StoreOptions withTls(TlsOptions value) {
        StoreOptions copy = new StoreOptions(this);
        copy.tls = Objects.requireNonNull(value);
        return copy;
    }

    private static int positive(String what, int value) {
        if (value < 1) {
            throw new ConfigurationException(
                    "The limit of " + what + " must be 1 or more, not " + value);
        }
        return value;
    }

    /**
     * Returns the name of the job.
     *
     * @return the name
     */
    public String job() {
        return job;
    }

    /**
     * Returns the restart generation.
     *
     * @return the number of restarts before, -1 for none
     */
    public int generation() {
        return generation;
    }

    /**
     * Returns the rank.
     *
     * @return the rank, -1 for none
     */
    public int rank() {
        return rank;
    }

    /**
     * Tells whether a token may be missing.
     *
     * @return true if everybody on the network may join
     */
    public boolean insecure() {
        return insecure;
    }

    /**
     * Returns how long a handshake may take.
     *
     * @return the deadline
     */
    public Duration handshakeDeadline() {
        return handshakeDeadline;
    }

    /**
     * Returns how many connections a server takes.
     *
     * @return the limit
     */
    public int maxConnections() {
        return maxConnections;
    }

    /**
     * Returns how long a message may be.
     *
     * @return the limit in bytes
     */
    public int maxMessageBytes() {
        return maxMessageBytes;
    }

    /**
     * Returns how much a server keeps.
     *
     * @return the limit in bytes
     */
    public long maxStoreBytes() {
        return maxStoreBytes;
    }

    /**
     * Returns how failures are noticed.
     *
     * @return the heartbeats
     */
    public Heartbeats heartbeats() {
        return heartbeats;
    }

    /**
     * Returns what is put before all keys.
     *
     * @return the scope, empty for none
     */
    public String scope() {
        return scope;
    }

    /**
     * Returns whether and how connections are encrypted.
     *
     * @return the options of TLS
     */
    public TlsOptions tls() {
        return tls;
    }
}
