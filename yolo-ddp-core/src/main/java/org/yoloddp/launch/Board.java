package org.yoloddp.launch;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.Store;

/** Where nodes and node 0 leave their states: one key for the job, one for each node. */
final class Board {

    private static final String JOB = "launch/job";
    private static final String NODE = "launch/node/";
    private static final byte[] FREE = new byte[0];

    private static final Gson GSON = new GsonBuilder().disableHtmlEscaping().create();

    private final Store store;
    private final int places;
    private final Duration deadline;

    /**
     * Uses a store.
     *
     * @param store shared by all nodes
     * @param places the most nodes that there can be
     * @param deadline of each call
     */
    Board(Store store, int places, Duration deadline) {
        this.store = store;
        this.places = places;
        this.deadline = deadline;
    }

    /** Prepares the places of all nodes; for node 0, before anything else. */
    void open() {
        for (int i = 0; i < places; i++) {
            store.set(NODE + i, FREE, deadline);
        }
    }

    /** Takes a node's place if nobody has it; returns who has. */
    Optional<NodeState> claim(NodeState state) {
        String key = NODE + state.nodeRank();
        if (store.compareAndSet(key, FREE, bytes(state), deadline)) {
            return Optional.empty();
        }
        return Optional.ofNullable(read(key, NodeState.class));
    }

    void publish(NodeState state) {
        store.set(NODE + state.nodeRank(), bytes(state), deadline);
    }

    void publish(JobState state) {
        store.set(JOB, bytes(state), deadline);
    }

    /** All nodes that have come. */
    List<NodeState> nodes() {
        List<NodeState> nodes = new ArrayList<>();
        for (int i = 0; i < places; i++) {
            NodeState node = read(NODE + i, NodeState.class);
            if (node != null) {
                nodes.add(node);
            }
        }
        return nodes;
    }

    /** What node 0 wants; waits for its first word that long. */
    JobState job(Duration patience) {
        return GSON.fromJson(text(store.get(JOB, patience)), JobState.class);
    }

    private <T> @Nullable T read(String key, Class<T> type) {
        byte[] value = store.get(key, deadline);
        return value.length == 0 ? null : GSON.fromJson(text(value), type);
    }

    private static byte[] bytes(Object state) {
        return GSON.toJson(state).getBytes(StandardCharsets.UTF_8);
    }

    private static String text(byte[] value) {
        return new String(value, StandardCharsets.UTF_8);
    }
}
