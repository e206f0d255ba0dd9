package org.yoloddp.ddp;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.testing.InProcessGroup;
import org.yoloddp.comm.testing.RankBody;

/** Runs a body on each rank of a group of threads, and shows how each ended. */
final class Ranks {

    private static final Duration DEADLINE = Duration.ofSeconds(60);

    private Ranks() {}

    /** How a rank ended. */
    record Outcome<T>(@Nullable T result, @Nullable Throwable failure) {}

    /** Returns every rank's result; fails if a rank does. */
    static <T> List<T> run(int size, RankBody<T> body) throws Exception {
        return InProcessGroup.run(size, body, DEADLINE);
    }

    /** As {@link #run(int, RankBody)}, with communicators that a test has tampered with. */
    static <T> List<T> run(int size, UnaryOperator<Communicator> tamper, RankBody<T> body)
            throws Exception {
        return run(size, communicator -> body.run(tamper.apply(communicator)));
    }

    /** Returns how each rank ended; one that throws aborts the group, as the trainer does. */
    static <T> List<Outcome<T>> outcomes(int size, RankBody<T> body) throws Exception {
        return new ArrayList<>(run(size, communicator -> outcome(communicator, body)));
    }

    private static <T> Outcome<T> outcome(Communicator communicator, RankBody<T> body) {
        try {
            return new Outcome<>(body.run(communicator), null);
        } catch (Throwable failure) {
            communicator.abort(failure);
            return new Outcome<>(null, failure);
        }
    }
}
