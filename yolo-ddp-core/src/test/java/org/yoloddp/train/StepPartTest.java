package org.yoloddp.train;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import jdk.jfr.Recording;
import org.junit.jupiter.api.Test;
import org.yoloddp.events.ForwardEvent;

class StepPartTest {

    /** Enough that the durations' array has room for as many again. */
    private static final int TIMES = 9000;

    private static final int MORE = 7000;

    private final StepPart part = new StepPart(0, ForwardEvent::new);

    @Test
    void withoutARecordingNothingIsMade() {
        run(TIMES);
        assertThat(bytesOf(MORE)).isLessThan(MORE);
    }

    @Test
    void theMeasureSeesEventsWhereTheyAreMade() {
        run(TIMES);
        try (Recording recording = new Recording()) {
            recording.enable(ForwardEvent.class);
            recording.start();
            assertThat(bytesOf(MORE)).isGreaterThan(24L * MORE);
        }
    }

    @Test
    void theMedianIsThatOfThePartsThatEnded() {
        assertThat(part.median()).isZero();
        run(11);
        part.begin(11);
        assertThat(part.median()).isPositive().isLessThan(100);
    }

    private long bytesOf(int times) {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long id = Thread.currentThread().getId();
        long before = threads.getThreadAllocatedBytes(id);
        run(times);
        return threads.getThreadAllocatedBytes(id) - before;
    }

    private void run(int times) {
        for (int i = 0; i < times; i++) {
            part.begin(i);
            part.end();
        }
    }
}
