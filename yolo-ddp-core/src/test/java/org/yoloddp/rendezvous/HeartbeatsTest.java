package org.yoloddp.rendezvous;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.yoloddp.error.ConfigurationException;

class HeartbeatsTest {

    private static final Heartbeats DEFAULTS = Heartbeats.defaults();

    private long now;
    private final RankProgress progress = new RankProgress(DEFAULTS, () -> now);

    private void pass(long millis) {
        now += TimeUnit.MILLISECONDS.toNanos(millis);
    }

    private static Heartbeats of(String text) {
        return Heartbeats.fromEnvironment(Map.of("YOLODDP_HEARTBEATS", text));
    }

    private static void assertRefused(Runnable use, String message) {
        assertThatThrownBy(use::run).isInstanceOf(ConfigurationException.class).hasMessage(message);
    }

    @Test
    void stallTimeoutIsAMinuteOrTwentyMedianSteps() {
        assertThat(DEFAULTS.stallTimeout("training", Duration.ofSeconds(2)))
                .isEqualTo(Duration.ofSeconds(60));
        assertThat(DEFAULTS.stallTimeout("training", Duration.ofSeconds(5)))
                .isEqualTo(Duration.ofSeconds(100));
        assertThat(DEFAULTS.stallTimeout("saving epoch 3, x", Duration.ofSeconds(5)))
                .isEqualTo(Duration.ofMinutes(10));
        assertThat(
                        DEFAULTS.withPhase("saving", Duration.ofSeconds(9))
                                .stallTimeout("saving", now()))
                .isEqualTo(Duration.ofSeconds(9));
    }

    private Duration now() {
        return Duration.ofNanos(now);
    }

    /** The first step, of which nothing is known, is long: libraries warm up. */
    @Test
    void stepsAreMeasuredFromTheFirstOneOnAndNotAcrossValidations() {
        progress.at("creating the model", -1);
        pass(500_000);
        progress.at("starting", 0);
        assertThat(progress.beat().limitMillis()).isEqualTo(600_000);
        pass(9_000);
        progress.at("training", 1);
        assertThat(progress.beat().limitMillis()).isEqualTo(180_000);
        for (int step = 2; step < 8; step++) {
            pass(5_000);
            progress.at("training", step);
        }
        assertThat(progress.beat().limitMillis()).isEqualTo(100_000);
        pass(5_000);
        progress.at("finishing epoch 0", 8);
        pass(400_000);
        assertThat(progress.beat())
                .returns(400_000L, Beat::idleMillis)
                .returns(600_000L, Beat::limitMillis)
                .returns(false, Beat::waiting);
        progress.at("waiting for rank 1: validating epoch 0", 8);
        assertThat(progress.beat().waiting()).isTrue();
        pass(300_000);
        progress.at("training", 8);
        assertThat(progress.beat())
                .returns(false, Beat::waiting)
                .returns(100_000L, Beat::limitMillis)
                .returns(1000L, Beat::intervalMillis)
                .returns(5000L, Beat::silenceMillis);
    }

    @Test
    void variableChangesWhatItNames() {
        assertThat(Heartbeats.fromEnvironment(Map.of()).facts()).isEqualTo(DEFAULTS.facts());
        assertThat(of("").facts()).isEqualTo(DEFAULTS.facts());
        Heartbeats changed = of("interval=200ms, silence=1s,stall=2m,saving=1h");
        assertThat(changed.interval()).isEqualTo(Duration.ofMillis(200));
        assertThat(changed.silence()).isEqualTo(Duration.ofSeconds(1));
        assertThat(changed.facts())
                .containsEntry("heartbeat interval", "200 ms")
                .containsEntry("heartbeat silence", "1000 ms")
                .containsEntry("stall timeout", "120000 ms")
                .containsEntry("stall timeout of saving", "3600000 ms")
                .containsEntry("stall timeout of validating", "600000 ms");
    }

    @Test
    void whatMakesNoSenseIsRefused() {
        assertRefused(
                () -> of("interval=1"),
                "YOLODDP_HEARTBEATS is 'interval=1', but has to be a list such as"
                        + " interval=1s,silence=5s,stall=60s,saving=20m");
        assertRefused(
                () -> of("sawing=1s"),
                "YOLODDP_HEARTBEATS names 'sawing', but there are interval, silence, stall and the"
                        + " phases checking, creating, finishing, preparing, saving, starting,"
                        + " validating");
        assertRefused(
                () -> DEFAULTS.withSilence(Duration.ofSeconds(2)).validate(),
                "The silence of heartbeats is 2000 ms, but has to be 3 intervals of 1000 ms or"
                        + " more: otherwise one that is a little late is a failure");
        assertRefused(
                () -> DEFAULTS.withInterval(Duration.ofMillis(9)).validate(),
                "The interval of heartbeats is 9 ms, but has to be 10 ms or more");
        assertRefused(
                () -> DEFAULTS.withStallTimeout(Duration.ZERO),
                "The stall timeout of heartbeats is PT0S, but has to be positive, and a year at"
                        + " most");
        assertRefused(
                () ->
                        StoreOptions.defaults()
                                .withHeartbeats(DEFAULTS.withInterval(Duration.ofSeconds(10))),
                "The silence of heartbeats is 5000 ms, but has to be 3 intervals of 10000 ms or"
                        + " more: otherwise one that is a little late is a failure");
    }
}
