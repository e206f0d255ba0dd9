package org.yoloddp.rendezvous;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class FailureDetectorTest {

    private long now;
    private final FailureDetector detector = new FailureDetector(Heartbeats.defaults(), () -> now);

    private static Beat beat(boolean waiting, long idleMillis) {
        return new Beat(
                "training", 7, 3, "barrier(tag 'x')", waiting, idleMillis, 60_000, 1000, 5000);
    }

    private void pass(long millis) {
        now += TimeUnit.MILLISECONDS.toNanos(millis);
    }

    /** Time passes for a detector that looks often, as it should. */
    private void passWatched(long millis) {
        for (long done = 0; done < millis; done += 250) {
            assertThat(detector.check()).isEmpty();
            pass(250);
        }
    }

    @Test
    void whoIsSilentForTooLongIsSuspect() {
        detector.heard(0, beat(true, 0));
        detector.heard(1, beat(false, 0));
        passWatched(4000);
        detector.heard(0, beat(true, 0));
        passWatched(1000);
        assertThat(detector.check()).isEmpty();
        pass(250);
        assertThat(detector.check())
                .contains(
                        new FailureDetector.Suspect(
                                1,
                                false,
                                "no heartbeat for more than 5000 ms: it is stopped, starved or cut"
                                        + " off"));
        detector.forget(1);
        assertThat(detector.check()).isEmpty();
    }

    /** A laptop that was closed, or a server that was stopped, accuses nobody when it wakes up. */
    @Test
    void silenceIsNotHeldAgainstOthersIfThisProcessSlept() {
        detector.heard(1, beat(false, 0));
        passWatched(2000);
        pass(100_000);
        assertThat(detector.check()).isEmpty();
        passWatched(3250);
        pass(250);
        assertThat(detector.check()).isPresent();
    }

    @Test
    void whoMakesNoProgressWhileOthersWaitStalls() {
        detector.heard(0, beat(true, 70_000));
        detector.heard(1, beat(false, 59_000));
        detector.heard(2, beat(true, 65_000));
        assertThat(detector.check()).isEmpty();
        detector.heard(1, beat(false, 60_001));
        assertThat(detector.check())
                .contains(
                        new FailureDetector.Suspect(
                                1,
                                true,
                                "no progress for more than 60000 ms while ranks 0, 2 wait for it"));
    }

    /** The limits come with the heartbeats: the server may be a launcher that knows none. */
    @Test
    void eachRankHasTheLimitsThatItsHeartbeatsTell() {
        Beat own = new Beat("training", 7, 3, "", false, 0, 60_000, 200, 600);
        detector.connected(0);
        detector.connected(1);
        assertThat(detector.interval()).isEqualTo(Duration.ofSeconds(1));
        detector.heard(1, own);
        assertThat(detector.interval()).isEqualTo(Duration.ofMillis(200));
        passWatched(500);
        assertThat(detector.check()).isEmpty();
        pass(101);
        assertThat(detector.check())
                .contains(
                        new FailureDetector.Suspect(
                                1,
                                false,
                                "no heartbeat for more than 600 ms: it is stopped, starved or cut"
                                        + " off"));
    }

    @Test
    void nobodyStallsWhileNobodyWaits() {
        detector.heard(0, beat(false, 600_000));
        detector.heard(1, beat(false, 600_000));
        assertThat(detector.check()).isEmpty();
    }

    /** All wait for each other: that is for the deadline of the collective to say. */
    @Test
    void nobodyStallsWhileAllWait() {
        detector.heard(0, beat(true, 600_000));
        detector.heard(1, beat(true, 600_000));
        assertThat(detector.check()).isEmpty();
    }

    @Test
    void stallTimeoutGrowsWithTheStepsButNotThatOfOtherPhases() {
        Heartbeats heartbeats = Heartbeats.defaults();
        assertThat(heartbeats.stallTimeout("training", Duration.ZERO)).hasSeconds(60);
        assertThat(heartbeats.stallTimeout("training", Duration.ofSeconds(2))).hasSeconds(60);
        assertThat(heartbeats.stallTimeout("training", Duration.ofSeconds(10))).hasSeconds(200);
        assertThat(heartbeats.stallTimeout("validating epoch 3", Duration.ofSeconds(2)))
                .hasMinutes(10);
        assertThat(
                        heartbeats
                                .withPhase("validating", Duration.ofSeconds(9))
                                .stallTimeout("validating epoch 3", Duration.ZERO))
                .hasSeconds(9);
    }
}
