package org.yoloddp.comm.tcp;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.Fingerprint;

/**
 * What a rank of another host says when asked where it is in a group.
 *
 * @param collectives how many collectives it has submitted
 * @param head what it waits for in the group, or null
 * @param elsewhere what it waits for in other groups
 * @param operation what it does, in words
 * @param phase its phase, empty if it never told
 * @param step its step
 */
record Answer(
        long collectives,
        @Nullable Fingerprint head,
        List<Fingerprint> elsewhere,
        String operation,
        String phase,
        long step) {

    byte[] bytes() {
        return Codec.bytes(
                out -> {
                    out.writeLong(collectives);
                    List<Fingerprint> heads = head == null ? List.of() : List.of(head);
                    writeCalls(out, heads);
                    writeCalls(out, elsewhere);
                    Codec.writeText(out, operation);
                    Codec.writeText(out, phase);
                    out.writeLong(step);
                });
    }

    static Answer of(byte[] bytes) {
        return Codec.read(
                bytes,
                in -> {
                    long collectives = in.readLong();
                    List<Fingerprint> heads = readCalls(in);
                    return new Answer(
                            collectives,
                            heads.isEmpty() ? null : heads.get(0),
                            readCalls(in),
                            Codec.readText(in),
                            Codec.readText(in),
                            in.readLong());
                });
    }

    private static void writeCalls(DataOutputStream out, List<Fingerprint> calls)
            throws IOException {
        out.writeInt(calls.size());
        for (Fingerprint call : calls) {
            Codec.writeText(out, call.group());
            Codec.write(out, call);
        }
    }

    private static List<Fingerprint> readCalls(DataInputStream in) throws IOException {
        List<Fingerprint> calls = new ArrayList<>();
        int n = in.readInt();
        for (int i = 0; i < n; i++) {
            String group = Codec.readText(in);
            calls.add(Codec.fingerprint(group, in));
        }
        return calls;
    }
}
