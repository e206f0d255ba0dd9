package org.yoloddp.optim;

import org.yoloddp.error.ConfigurationException;

/** The ranges of numeric options; NaN lies in none of them. */
final class Ranges {

    private Ranges() {}

    static void requireNonNegative(String name, double value) {
        if (!(value >= 0) || Double.isInfinite(value)) {
            throw outside(name, value, "0 or a positive finite number");
        }
    }

    static void requirePositive(String name, double value) {
        if (!(value > 0) || Double.isInfinite(value)) {
            throw outside(name, value, "a positive finite number");
        }
    }

    static void requireBelowOne(String name, double value) {
        if (!(value >= 0 && value < 1)) {
            throw outside(name, value, "from 0 to below 1");
        }
    }

    static void requireShare(String name, double value) {
        if (!(value >= 0 && value <= 1)) {
            throw outside(name, value, "from 0 to 1");
        }
    }

    private static ConfigurationException outside(String name, double value, String allowed) {
        return new ConfigurationException(name + " is " + value + ", must be " + allowed);
    }
}
