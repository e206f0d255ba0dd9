package org.yoloddp.launch;

import java.time.Duration;
import java.util.concurrent.locks.LockSupport;

/** The launcher's clock, which tests replace. */
interface Ticker {

    /** Nanoseconds from an arbitrary origin. */
    long nanos();

    /** Lets that much time pass, or less. */
    void pause(Duration time);

    /** The machine's clock. */
    static Ticker system() {
        return new Ticker() {
            @Override
            public long nanos() {
                return System.nanoTime();
            }

            @Override
            public void pause(Duration time) {
                LockSupport.parkNanos(time.toNanos());
            }
        };
    }
}
