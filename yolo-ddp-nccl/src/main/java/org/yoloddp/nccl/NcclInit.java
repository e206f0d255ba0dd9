package org.yoloddp.nccl;

import java.nio.charset.StandardCharsets;
import org.yoloddp.comm.Store;

/** Makes NCCL's communicators, of the world and of the groups split from it. */
final class NcclInit {

    private NcclInit() {}

    /** Connects a group by a unique id, which its first rank makes and leaves in the store. */
    static void connect(NcclGroup group) {
        NcclSession session = group.session;
        NcclCall call = group.call("connect");
        String key = "id/" + group.id;
        Store store = session.store();
        if (group.rank == 0) {
            store.set(key, uniqueId(group, call), session.deadline);
        }
        byte[] id = store.get(key, session.deadline);
        if (id.length != Nccl.UNIQUE_ID_BYTES) {
            throw NcclRefusal.noUniqueId(
                    group.world[0], group.name, new String(id, StandardCharsets.UTF_8));
        }
        session.cuda().setDevice(session.device);
        NcclComm comm =
                session.nccl()
                        .commInitRankConfig(call, group.size(), id, group.rank, session.options());
        group.device.use(comm);
        ready(group, call);
    }

    private static byte[] uniqueId(NcclGroup group, NcclCall call) {
        try {
            return group.session.nccl().getUniqueId(call);
        } catch (NcclException e) {
            // The others would wait for the id until their deadline otherwise.
            return String.valueOf(e.getMessage()).getBytes(StandardCharsets.UTF_8);
        }
    }

    private static void ready(NcclGroup group, NcclCall call) {
        if (!group.device.awaitReady(call)) {
            group.failing.throwIfFailed();
        }
    }

    /** Takes part in a split of NCCL's communicator though the rank is not in the new group. */
    static void skip(NcclGroup parent) {
        if (parent.session.has(NcclFunction.COMM_SPLIT)) {
            split(parent, Nccl.NO_COLOR, 0);
        }
    }

    /** Connects a group that is split from another one. */
    static void connect(NcclGroup parent, NcclGroup child) {
        if (!parent.session.has(NcclFunction.COMM_SPLIT)) {
            connect(child);
            return;
        }
        child.device.use(split(parent, 0, child.rank));
        ready(child, child.call("connect"));
    }

    private static NcclComm split(NcclGroup parent, int color, int key) {
        NcclSession session = parent.session;
        NcclCall call = parent.call("split");
        session.cuda().setDevice(session.device);
        NcclComm comm =
                session.nccl().commSplit(call, parent.device.comm(), color, key, session.options());
        ready(parent, call);
        return comm;
    }
}
