package org.yoloddp.comm.tcp;

import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.Map;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.Fingerprint;
import org.yoloddp.comm.HostBuffer;
import org.yoloddp.comm.Slice;

/** Views of the other ranks' shared memory, kept because the same buckets come every step. */
final class Memories {

    private static final int MOST = 1024;

    private record Key(int rank, Arena.Place place, DType dtype, long count) {}

    private final Session session;
    private final int[] worldRanks;
    private final Map<Key, HostBuffer> known = new HashMap<>();

    Memories(Session session, int[] worldRanks) {
        this.session = session;
        this.worldRanks = worldRanks;
    }

    /** Views a rank's bucket, or what its bucket passes through. */
    HostBuffer get(int rank, Arena.Place place, boolean staged, Fingerprint call) {
        DType dtype = call.dtype();
        if (dtype == null) {
            throw new IllegalStateException(call.describe() + " moves nothing");
        }
        long count = staged ? (long) Board.STAGES * Slice.BYTES / dtype.bytes() : call.count();
        Key key = new Key(rank, place, dtype, count);
        HostBuffer buffer = known.get(key);
        if (buffer == null) {
            if (known.size() >= MOST) {
                known.clear();
            }
            ByteBuffer piece = session.piece(worldRanks[rank], place.piece());
            long address = HostBuffer.address(piece) + place.offset();
            buffer = HostBuffer.wrap(address, dtype, count, piece);
            known.put(key, buffer);
        }
        return buffer;
    }
}
