package org.yoloddp.train;

import java.time.Duration;
import java.util.Objects;
import org.yoloddp.error.ConfigurationException;

/**
 * How long each kind of wait may take. Immutable.
 *
 * <p>After a cancel, a training whose ranks make no progress for as long as {@code collective} and
 * {@code shutdown} together is given up.
 *
 * @param collective until a collective has ended on all ranks; default 10 minutes
 * @param data until the next batch of images is there; default 5 minutes
 * @param shutdown until the threads of the ranks have ended after a failure; default 30 seconds
 */
public record Deadlines(Duration collective, Duration data, Duration shutdown) {

    /** Two of them fit into a long of nanoseconds. */
    private static final Duration LONGEST = Duration.ofDays(36_500);

    /**
     * Checks the durations.
     *
     * @param collective until a collective has ended on all ranks
     * @param data until the next batch is there
     * @param shutdown until the threads of the ranks have ended after a failure
     * @throws ConfigurationException if one is not positive, or above 36500 days
     */
    public Deadlines {
        positive("collective", collective);
        positive("data", data);
        positive("shutdown", shutdown);
    }

    /**
     * Returns the defaults.
     *
     * @return the defaults
     */
    public static Deadlines defaults() {
        return new Deadlines(Duration.ofMinutes(10), Duration.ofMinutes(5), Duration.ofSeconds(30));
    }

    /**
     * Returns a copy with another deadline of collectives.
     *
     * @param value until a collective has ended on all ranks
     * @return the copy
     */
    public Deadlines withCollective(Duration value) {
        return new Deadlines(value, data, shutdown);
    }

    /**
     * Returns a copy with another deadline of data.
     *
     * @param value until the next batch is there
     * @return the copy
     */
    public Deadlines withData(Duration value) {
        return new Deadlines(collective, value, shutdown);
    }

    /**
     * Returns a copy with another deadline of the end.
     *
     * @param value until the threads of the ranks have ended after a failure
     * @return the copy
     */
    public Deadlines withShutdown(Duration value) {
        return new Deadlines(collective, data, value);
    }

    private static void positive(String name, Duration value) {
        Objects.requireNonNull(value, name);
        if (value.isZero() || value.isNegative()) {
            throw new ConfigurationException(
                    "the deadline '" + name + "' is " + value + ", but has to be positive");
        }
        if (value.compareTo(LONGEST) > 0) {
            throw new ConfigurationException(
                    "the deadline '"
                            + name
                            + "' is "
                            + value
                            + ", but may be "
                            + LONGEST.toDays()
                            + " days at most");
        }
    }
}
