package org.yoloddp.ddp;

import java.util.ArrayDeque;
import java.util.Deque;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.Work;
import org.yoloddp.events.BucketEvent;

/**
 * Records the reduction of each bucket as an event. An event is made only while somebody records.
 *
 * <p>It ends when the collective does, by the thread that ends it; a hook's reduction, or that of a
 * communicator that can't tell, ends when the rank has waited for it. It is committed by the rank.
 */
final class BucketWatch {

    private final int rank;

    /** Never begun; tells whether events of its type are recorded. */
    private final BucketEvent probe = new BucketEvent(0, 0);

    private final Deque<Reduced> running = new ArrayDeque<>();
    private long step;

    /**
     * A bucket on its way.
     *
     * @param event recorded at its end
     * @param ends whether its end is told by the collective
     */
    private record Reduced(BucketEvent event, boolean ends) {}

    BucketWatch(int rank) {
        this.rank = rank;
    }

    void atStep(long number) {
        step = number;
    }

    /** Makes the event of a bucket that is about to start; null if nobody records. */
    @Nullable BucketEvent begin(GradientBucket bucket) {
        if (!probe.isEnabled()) {
            return null;
        }
        CommBuffer buffer = bucket.buffer();
        BucketEvent event =
                new BucketEvent(bucket.index(), buffer.count() * buffer.dtype().bytes());
        event.at(rank, step);
        event.begin();
        return event;
    }

    /** Follows a bucket that has started. */
    void started(@Nullable BucketEvent event, @Nullable Work work) {
        if (event != null) {
            boolean ends = work != null && work.whenEnded(event::end);
            running.add(new Reduced(event, ends));
        }
    }

    /** Records the first of those that run: the rank has waited for it. */
    void ended() {
        Reduced reduced = running.poll();
        if (reduced != null) {
            if (!reduced.ends()) {
                reduced.event().end();
            }
            if (reduced.event().shouldCommit()) {
                reduced.event().commit();
            }
        }
    }
}
