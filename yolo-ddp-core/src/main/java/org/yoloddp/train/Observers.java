package org.yoloddp.train;

import java.util.List;
import java.util.function.Consumer;

/** The observers of a training; none on ranks other than the first. */
final class Observers {

    private final List<TrainingObserver> list;

    /** How many have been told of the end; they aren't told of a failure. */
    private int ended;

    private Observers(List<TrainingObserver> list) {
        this.list = list;
    }

    static Observers of(TrainingSettings settings, RankContext rank) {
        return new Observers(rank.isFirst() ? settings.observers() : List.of());
    }

    void tell(Consumer<TrainingObserver> event) {
        for (TrainingObserver observer : list) {
            tell(observer, event);
        }
    }

    private static void tell(TrainingObserver observer, Consumer<TrainingObserver> event) {
        try {
            event.accept(observer);
        } catch (Throwable t) {
            throw new Failures.ObserverFailure(t);
        }
    }

    void tellEnd(TrainingReport report) {
        for (TrainingObserver observer : list) {
            ended++;
            tell(observer, o -> o.onEnd(report));
        }
    }

    /** Tells of a failure; what an observer throws now is kept beside it. */
    void tellFailure(Throwable cause) {
        for (TrainingObserver observer : list.subList(ended, list.size())) {
            try {
                observer.onFailure(cause);
            } catch (Throwable t) {
                Failures.add(cause, t);
            }
        }
    }
}
