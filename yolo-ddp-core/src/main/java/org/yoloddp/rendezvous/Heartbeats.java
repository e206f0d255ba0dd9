package org.yoloddp.rendezvous;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.yoloddp.error.ConfigurationException;

/**
 * How it is found out that a rank is gone or stuck; the same on all ranks of a job. Immutable.
 *
 * <p>A process that dies is noticed at once, by its connection. One that is stopped or cut off is
 * noticed by its silence. One that lives but makes no progress while others wait for it is noticed
 * by the stall timeout of its phase:
 *
 * <table>
 * <caption>Phases of a training</caption>
 * <tr><th>phase</th><th>what counts as progress</th><th>limit</th></tr>
 * <tr><td>{@code checking} the data, to compare it over the ranks</td><td>its end</td>
 *     <td>10 min</td></tr>
 * <tr><td>{@code preparing} and {@code creating} the model</td><td>its end, a collective</td>
 *     <td>10 min</td></tr>
 * <tr><td>{@code starting}: the first step</td><td>its end, a collective</td><td>10 min</td></tr>
 * <tr><td>{@code training}</td><td>a step, a collective</td>
 *     <td>60 s, or 20 median steps if that is longer</td></tr>
 * <tr><td>{@code validating}</td><td>a batch</td><td>10 min</td></tr>
 * <tr><td>{@code saving}</td><td>a file</td><td>10 min</td></tr>
 * <tr><td>{@code finishing} an epoch or the training</td><td>a collective</td><td>10 min</td></tr>
 * </table>
 *
 * <p>Ranks that are threads of one JVM have the limits of what others wait for beside collectives:
 * creating, validating, saving.
 */
public final class Heartbeats {

    /** The variable whose text {@link #fromEnvironment} reads. */
    public static final String VARIABLE = "YOLODDP_HEARTBEATS";

    private static final Duration LOCAL_WORK = Duration.ofMinutes(10);
    private static final Duration SHORTEST = Duration.ofMillis(10);
    private static final Duration LONGEST = Duration.ofDays(365);
    private static final int SILENT_INTERVALS = 3;
    private static final String WAITING = "waiting";
    private static final Pattern ITEM = Pattern.compile("([a-z]+)=(\\d{1,9})(ms|s|m|h)");

    private static final Heartbeats DEFAULTS =
            new Heartbeats(
                    Duration.ofSeconds(1),
                    Duration.ofSeconds(5),
                    Duration.ofSeconds(60),
                    Map.of(
                            "preparing", LOCAL_WORK,
                            "checking", LOCAL_WORK,
                            "creating", LOCAL_WORK,
                            "starting", LOCAL_WORK,
                            "validating", LOCAL_WORK,
                            "finishing", LOCAL_WORK,
                            "saving", LOCAL_WORK));

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
     * seconds or 20 median steps if that is longer, and of 10 minutes in the phases of the table
     * above.
     *
     * @return the defaults
     */
    public static Heartbeats defaults() {
        return DEFAULTS;
    }

    /**
     * Returns the defaults with what the variable YOLODDP_HEARTBEATS changes, such as {@code
     * interval=1s,silence=5s,stall=60s,saving=20m}: the names of the first three, and of phases;
     * units are ms, s, m, h.
     *
     * @param environment the variables, such as {@link System#getenv()}
     * @return the heartbeats; the defaults if the variable isn't set
     * @throws ConfigurationException if its text can't be read
     */
    public static Heartbeats fromEnvironment(Map<String, String> environment) {
        Heartbeats result = DEFAULTS;
        String text = environment.getOrDefault(VARIABLE, "").strip();
        for (String item : text.isEmpty() ? new String[0] : text.split(",", -1)) {
            Matcher parts = ITEM.matcher(item.strip());
            if (!parts.matches()) {
                throw new ConfigurationException(
                        VARIABLE
                                + " is '"
                                + text
                                + "', but has to be a list such as"
                                + " interval=1s,silence=5s,stall=60s,saving=20m");
            }
            String name = parts.group(1);
            Duration value = duration(Long.parseLong(parts.group(2)), parts.group(3));
            result =
                    switch (name) {
                        case "interval" -> result.withInterval(value);
                        case "silence" -> result.withSilence(value);
                        case "stall" -> result.withStallTimeout(value);
                        default -> result.withKnownPhase(name, value);
                    };
        }
        return result.validate();
    }

    private static Duration duration(long count, String unit) {
        return switch (unit) {
            case "ms" -> Duration.ofMillis(count);
            case "s" -> Duration.ofSeconds(count);
            case "m" -> Duration.ofMinutes(count);
            default -> Duration.ofHours(count);
        };
    }

    private Heartbeats withKnownPhase(String name, Duration value) {
        if (!phases.containsKey(name)) {
            throw new ConfigurationException(
                    VARIABLE
                            + " names '"
                            + name
                            + "', but there are interval, silence, stall and the phases "
                            + String.join(", ", new TreeMap<>(phases).keySet()));
        }
        return withPhase(name, value);
    }

    /**
     * Returns a copy with another interval.
     *
     * @param value the time between two heartbeats; default 1 second
     * @return the copy
     */
    public Heartbeats withInterval(Duration value) {
        return new Heartbeats(positive("interval", value), silence, stall, phases);
    }

    /**
     * Returns a copy with another limit of silence.
     *
     * @param value after how long without a heartbeat a process counts as gone, 3 intervals or
     *     more; default 5 seconds
     * @return the copy
     */
    public Heartbeats withSilence(Duration value) {
        return new Heartbeats(interval, positive("silence", value), stall, phases);
    }

    /**
     * Returns a copy with another stall timeout.
     *
     * @param value how long a rank may make no progress while others wait for it; 20 median steps
     *     if that is longer; default 60 seconds
     * @return the copy
     */
    public Heartbeats withStallTimeout(Duration value) {
        return new Heartbeats(interval, silence, positive("stall timeout", value), phases);
    }

    /**
     * Returns a copy with a stall timeout for one phase.
     *
     * @param phase the first word of the phase that {@link FailureChannel#progress} is told: one of
     *     the table above, or of your own
     * @param value how long a rank may make no progress in it while others wait; default 10 minutes
     *     for those of the table but {@code training}
     * @return the copy
     */
    public Heartbeats withPhase(String phase, Duration value) {
        Map<String, Duration> copy = new TreeMap<>(phases);
        copy.put(phase, positive("stall timeout of '" + phase + "'", value));
        return new Heartbeats(interval, silence, stall, copy);
    }

    private static Duration positive(String name, Duration value) {
        if (value.isZero() || value.isNegative() || value.compareTo(LONGEST) > 0) {
            throw new ConfigurationException(
                    "The "
                            + name
                            + " of heartbeats is "
                            + value
                            + ", but has to be positive, and a year at most");
        }
        return value;
    }

    /**
     * Checks that the limits fit together.
     *
     * @return this
     * @throws ConfigurationException if the interval is below 10 ms, or the silence below 3
     *     intervals, since then a heartbeat that is a little late would be a failure
     */
    public Heartbeats validate() {
        if (interval.compareTo(SHORTEST) < 0) {
            throw new ConfigurationException(
                    "The interval of heartbeats is "
                            + interval.toMillis()
                            + " ms, but has to be 10 ms or more");
        }
        if (silence.compareTo(interval.multipliedBy(SILENT_INTERVALS)) < 0) {
            throw new ConfigurationException(
                    "The silence of heartbeats is "
                            + silence.toMillis()
                            + " ms, but has to be 3 intervals of "
                            + interval.toMillis()
                            + " ms or more: otherwise one that is a little late is a failure");
        }
        return this;
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
        Duration own = phases.get(firstWord(phase));
        Duration steps = medianStep.multipliedBy(20);
        return own != null ? own : steps.compareTo(stall) > 0 ? steps : stall;
    }

    /** Tells whether a rank in a phase waits for others. */
    static boolean isWaiting(String phase) {
        return firstWord(phase).equals(WAITING);
    }

    private static String firstWord(String phase) {
        int blank = phase.indexOf(' ');
        return blank < 0 ? phase : phase.substring(0, blank);
    }

    /**
     * Returns all limits by name, for comparing those of several ranks.
     *
     * @return texts by name, in a fixed order
     */
    public Map<String, String> facts() {
        Map<String, String> facts = new LinkedHashMap<>();
        facts.put("heartbeat interval", interval.toMillis() + " ms");
        facts.put("heartbeat silence", silence.toMillis() + " ms");
        facts.put("stall timeout", stall.toMillis() + " ms");
        new TreeMap<>(phases)
                .forEach(
                        (phase, limit) ->
                                facts.put("stall timeout of " + phase, limit.toMillis() + " ms"));
        return facts;
    }

    @Override
    public String toString() {
        return "Heartbeats" + facts();
    }
}
