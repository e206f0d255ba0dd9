package org.yoloddp.rendezvous;

import java.util.Objects;
import org.yoloddp.comm.GroupContext;

/**
 * Who opens or answers a connection. It is no secret, but what was said is bound to the proofs of
 * the {@link Handshake}, so nobody can change it on the way.
 *
 * @param purpose what the connection is for, such as {@code store}
 * @param job the name of the job
 * @param generation the restart generation, -1 for those that outlive restarts
 * @param rank the rank by number in the world, -1 for a process that is none
 * @param version the version of this library
 * @param host the host
 * @param pid the process id
 */
public record Hello(
        String purpose,
        String job,
        int generation,
        int rank,
        String version,
        String host,
        long pid) {

    private static final String VERSION =
            Objects.requireNonNullElse(
                    Hello.class.getPackage().getImplementationVersion(), "development");

    /**
     * Describes this process.
     *
     * @param purpose what the connection is for
     * @param job the name of the job
     * @param generation the restart generation, -1 for a process that outlives restarts
     * @param rank the rank by number in the world, -1 for a process that is none
     * @return the greeting, with this library's version, this host and this process
     */
    public static Hello of(String purpose, String job, int generation, int rank) {
        return new Hello(
                purpose,
                job,
                generation,
                rank,
                VERSION,
                GroupContext.localHostId(),
                ProcessHandle.current().pid());
    }

    /**
     * Describes the process in words.
     *
     * @return such as {@code rank 1 (process 4711 on node-3)}
     */
    public String describe() {
        String process = "process " + pid + " on " + host;
        return rank < 0 ? process : "rank " + rank + " (" + process + ")";
    }

    byte[] toBytes() {
        return new MessageWriter()
                .text(purpose)
                .text(job)
                .int32(generation)
                .int32(rank)
                .text(version)
                .text(host)
                .int64(pid)
                .toBytes();
    }

    static Hello of(byte[] bytes) throws MalformedMessageException {
        MessageReader in = new MessageReader(bytes);
        Hello hello =
                new Hello(
                        Texts.clean(in.text()),
                        Texts.clean(in.text()),
                        in.int32(),
                        in.int32(),
                        Texts.clean(in.text()),
                        Texts.clean(in.text()),
                        in.int64());
        in.end();
        return hello;
    }
}
