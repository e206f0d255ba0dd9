package org.yoloddp.comm.tcp;

import org.yoloddp.comm.GroupContext;

/**
 * What a rank tells the others of itself.
 *
 * @param host what counts as its host
 * @param boot the boot of its kernel
 * @param namespace the space of its process number
 * @param pid its process
 * @param start when that started
 * @param nonce a number that only who maps its host's memory, or asks it, can know
 */
record Facts(String host, String boot, String namespace, long pid, String start, long nonce) {

    static Facts mine(GroupContext context, long nonce) {
        long pid = ProcessHandle.current().pid();
        return new Facts(
                context.hostId(),
                OsProcess.boot(),
                OsProcess.namespace(),
                pid,
                OsProcess.start(pid),
                nonce);
    }

    byte[] bytes() {
        return Codec.bytes(
                out -> {
                    Codec.writeText(out, host);
                    Codec.writeText(out, boot);
                    Codec.writeText(out, namespace);
                    out.writeLong(pid);
                    Codec.writeText(out, start);
                    out.writeLong(nonce);
                });
    }

    static Facts of(byte[] bytes) {
        return Codec.read(
                bytes,
                in ->
                        new Facts(
                                Codec.readText(in),
                                Codec.readText(in),
                                Codec.readText(in),
                                in.readLong(),
                                Codec.readText(in),
                                in.readLong()));
    }

    /** Tells whether another rank may be on the same host; shared memory has to prove it. */
    boolean mayShare(Facts other) {
        return host.equals(other.host) && boot.equals(other.boot);
    }

    /** Names this rank's files. */
    String files(int rank) {
        return SharedMemory.owner(namespace, pid, start)
                + "-"
                + Long.toHexString(nonce)
                + "-"
                + rank;
    }
}
