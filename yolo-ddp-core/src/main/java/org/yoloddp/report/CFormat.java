package org.yoloddp.report;

import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;

/**
 * The conversion %g of C's printf, which Java's differs from: trailing zeros are dropped, exponents
 * start below 1e-4, and the exact binary value is rounded half to even.
 */
final class CFormat {

    private CFormat() {}

    /** What C prints for {@code %<width>.<precision>g}. */
    static String general(double value, int width, int precision) {
        return right(general(value, precision), width);
    }

    /** The text, right-aligned. */
    static String right(String text, int width) {
        return " ".repeat(Math.max(0, width - text.length())) + text;
    }

    private static String general(double value, int precision) {
        if (Double.isNaN(value)) {
            return "nan";
        }
        String sign = Double.doubleToRawLongBits(value) < 0 ? "-" : "";
        if (Double.isInfinite(value)) {
            return sign + "inf";
        }
        if (value == 0) {
            return sign + "0";
        }
        BigDecimal rounded =
                new BigDecimal(Math.abs(value))
                        .round(new MathContext(precision, RoundingMode.HALF_EVEN))
                        .stripTrailingZeros();
        int exponent = rounded.precision() - rounded.scale() - 1;
        if (exponent >= -4 && exponent < precision) {
            return sign + rounded.toPlainString();
        }
        String mantissa = rounded.scaleByPowerOfTen(-exponent).toPlainString();
        String digits = (Math.abs(exponent) < 10 ? "0" : "") + Math.abs(exponent);
        return sign + mantissa + "e" + (exponent < 0 ? "-" : "+") + digits;
    }
}
