package org.yoloddp.launch;

import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/** What other threads have asked a launch for. */
final class StopRequests {

    private final AtomicReference<@Nullable StopSignal> signal = new AtomicReference<>();
    private volatile boolean kill;

    void stop(StopSignal how) {
        signal.compareAndSet(null, how);
    }

    void kill() {
        signal.compareAndSet(null, StopSignal.TERMINATE);
        kill = true;
    }

    Optional<StopSignal> signal() {
        return Optional.ofNullable(signal.get());
    }

    boolean killed() {
        return kill;
    }
}
