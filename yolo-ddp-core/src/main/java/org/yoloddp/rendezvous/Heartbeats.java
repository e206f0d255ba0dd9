package org.yoloddp.rendezvous;

import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;
import org.yoloddp.error.ConfigurationException;

/**
 * How the failure channel finds out that a rank is gone or stuck. Immutable.
 *
 * <p>A process that dies is noticed at once, by its connection. One that is stopped or cut off is
 * noticed by its silence. One that lives but makes no progress while others wait for it is noticed
 * by the stall timeout of what it does.
 */
public final class Heartbeats {

    private static final Heartbeats DEFAULTS =
            new Heartbeats(
                    Duration.ofSeconds(1),
                    Duration.ofSeconds(5),
                    Duration.ofSeconds(60),
                    Map.of(
                            "preparing", Duration.ofMinutes(10),
                            "checking", Duration.ofMinutes(10),
                            "validating", Duration.ofMinutes(10),
                            "finishing", Duration.ofMinutes(10),
                            "saving", Duration.ofMinutes(10)));

    private final Duration interval;
    private final Duration silence;
    private final Duration stall;
    private final Map<String, Duration> phases;

    private Heartbeats(
            Duration interval, Duration silence, Duration stall, Map<String, Duration> phases) {
        this.interval = interval;
        this.silence = silence;
        this.stall = stall;
        this.phases = Map.copyOf(phases);
    }

    /**
     * Returns the defaults: a heartbeat every second, 5 seconds of silence, a stall timeout of 60
     * seconds or 20 median steps if that is longer, and of 10 minutes in the phases {@code
     * preparing}, {@code checking} (of data), {@code validating}, {@code finishing} (of an epoch)
     * and {@code saving}.
     *
     * @return the defaults
     */
    public static Heartbeats defaults() {
        return DEFAULTS;
    }

    /**
     * Returns a copy with another interval.
     *
     * @param value the time between two heartbeats
     * @return the copy
     */
    public Heartbeats withInterval(Duration value) {
        return new Heartbeats(positive("interval", value), silence, stall, phases);
    }

    /**
     * Returns a copy with another limit of silence.
     *
     * @param value after how long without a heartbeat a process counts as gone; several intervals
     * @return the copy
     */
    public Heartbeats withSilence(Duration value) {
        return new Heartbeats(interval, positive("silence", value), stall, phases);
    }

    /**
     * Returns a copy with another stall timeout.
     *
     * @param value how long a rank may make no progress while others wait for it; 20 median steps
     *     if that is longer
     * @return the copy
     */
    public Heartbeats withStallTimeout(Duration value) {
        return new Heartbeats(interval, silence, positive("stall timeout", value), phases);
    }

    /**
     * Returns a copy with a stall timeout for one phase.
     *
     * @param phase the first word of the phase that {@link FailureChannel#progress} is told
     * @param value how long a rank may make no progress in it while others wait
     * @return the copy
     */
    public Heartbeats withPhase(String phase, Duration value) {
        Map<String, Duration> copy = new TreeMap<>(phases);
        copy.put(phase, positive("stall timeout of '" + phase + "'", value));
        return new Heartbeats(interval, silence, stall, copy);
    }

    private static Duration positive(String name, Duration value) {
        if (value.isZero() || value.isNegative()) {
            throw new ConfigurationException(
                    "The " + name + " of heartbeats must be positive, not " + value);
        }
        return value;
    }

    /**
     * Returns the time between two heartbeats.
     *
     * @return the interval
     */
    public Duration interval() {
        return interval;
    }

    /**
     * Returns after how long without a heartbeat a process counts as gone.
     *
     * @return the limit of silence
     */
    public Duration silence() {
        return silence;
    }

    /**
     * Returns how long a rank may make no progress while others wait for it.
     *
     * @param phase what it does
     * @param medianStep its median step; zero if unknown
     * @return the limit
     */
    public Duration stallTimeout(String phase, Duration medianStep) {
        int blank = phase.indexOf(' ');
        Duration own = phases.get(blank < 0 ? phase : phase.substring(0, blank));
        Duration steps = medianStep.multipliedBy(20);
        return own != null ? own : steps.compareTo(stall) > 0 ? steps : stall;
    }
}
