package org.yoloddp.train;

import java.util.List;
import java.util.function.Consumer;

/** The observers of a training; none on ranks other than the first. */
record Observers(List<TrainingObserver> list) {

    static Observers of(TrainingSettings settings, RankContext rank) {
        return new Observers(rank.isFirst() ? settings.observers() : List.of());
    }

    void tell(Consumer<TrainingObserver> event) {
        for (TrainingObserver observer : list) {
            try {
                event.accept(observer);
            } catch (RuntimeException e) {
                throw new Failures.ObserverFailure(e);
            }
        }
    }

    /** Tells of a failure; what an observer throws now is kept beside it. */
    void tellFailure(Throwable cause) {
        for (TrainingObserver observer : list) {
            try {
                observer.onFailure(cause);
            } catch (RuntimeException e) {
                cause.addSuppressed(e);
            }
        }
    }
}
