package org.yoloddp.comm.inprocess;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.InMemoryStore;

/** What a world and all groups split from it share: who the ranks are and where each one stands. */
final class Family {

    /** Where a rank is. */
    record Progress(String phase, long step) {}

    final Duration deadline;

    /** Where ranks leave notes; its waits end when the world fails. */
    final InMemoryStore store;

    /** Spinning helps only while every rank has a core to itself. */
    final long spinNanos;

    private final AtomicReferenceArray<@Nullable Progress> progress;
    private final List<Group> groups = new CopyOnWriteArrayList<>();

    Family(int worldSize, Duration deadline, InMemoryStore store) {
        this.deadline = deadline;
        this.store = store;
        this.progress = new AtomicReferenceArray<>(worldSize);
        this.spinNanos = worldSize <= Runtime.getRuntime().availableProcessors() ? 30_000 : 0;
    }

    void progress(int worldRank, String phase, long step) {
        progress.set(worldRank, new Progress(phase, step));
    }

    @Nullable Progress progress(int worldRank) {
        return progress.get(worldRank);
    }

    List<Group> groups() {
        return groups;
    }
}
