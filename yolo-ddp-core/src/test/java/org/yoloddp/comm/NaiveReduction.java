package org.yoloddp.comm;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;

/** The definition of a reduction, written down once more as plainly as possible. */
final class NaiveReduction {

    private NaiveReduction() {}

    /** Makes elements of all kinds: ordinary, tiny, huge, signed zeros, infinities and NaN. */
    static byte[] contribution(DType dtype, int count, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        byte[] elements = new byte[count * dtype.bytes()];
        ByteBuffer bytes = buffer(elements);
        for (int i = 0; i < count; i++) {
            double value =
                    switch (random.nextInt(40)) {
                        case 0 -> Double.NaN;
                        case 1 -> Double.POSITIVE_INFINITY;
                        case 2 -> -0.0;
                        case 3 -> 0.0;
                        case 4 -> random.nextDouble() * 1e-7;
                        case 5 -> random.nextDouble() * 6e4;
                        default -> random.nextDouble() * 4 - 2;
                    };
            switch (dtype) {
                case F16 -> bytes.putShort(i * 2, toHalf((float) value));
                case BF16 -> bytes.putShort(i * 2, toBrain((float) value));
                case F32 -> bytes.putFloat(i * 4, (float) value);
                case F64 -> bytes.putDouble(i * 8, value);
                case I32 -> bytes.putInt(i * 4, random.nextInt());
                case I64 -> bytes.putLong(i * 8, random.nextLong());
                case U8 -> bytes.put(i, (byte) random.nextInt());
            }
        }
        return elements;
    }

    /** All that are defined for a type; the factor is exact in every type. */
    static List<ReduceOp> operations(DType dtype) {
        return Stream.concat(
                        Stream.of(ReduceOp.values()), Stream.of(ReduceOp.premultipliedSum(0.375)))
                .filter(op -> dtype.isFloating() || !op.isScaled())
                .toList();
    }

    static byte[] reduce(DType dtype, ReduceOp op, byte[][] contributions) {
        int ranks = contributions.length;
        byte[] elements = contributions[0].clone();
        ByteBuffer result = buffer(elements);
        for (int at = 0; at < result.capacity(); at += dtype.bytes()) {
            switch (dtype) {
                case F64 -> {
                    double scale = op.scale(ranks);
                    double sum = buffer(contributions[0]).getDouble(at) * scale;
                    for (int r = 1; r < ranks; r++) {
                        sum = combine(op, sum, buffer(contributions[r]).getDouble(at) * scale);
                    }
                    result.putDouble(at, sum);
                }
                case F32, F16, BF16 -> {
                    float scale = (float) op.scale(ranks);
                    float sum = load(dtype, contributions[0], at) * scale;
                    for (int r = 1; r < ranks; r++) {
                        float next = load(dtype, contributions[r], at) * scale;
                        // Double is so much wider that this rounds like the float operation.
                        sum = (float) combine(op, (double) sum, (double) next);
                    }
                    if (dtype == DType.F32) {
                        result.putFloat(at, sum);
                    } else {
                        result.putShort(at, dtype == DType.F16 ? toHalf(sum) : toBrain(sum));
                    }
                }
                case I32 -> {
                    int sum = buffer(contributions[0]).getInt(at);
                    for (int r = 1; r < ranks; r++) {
                        sum = (int) combine(op, sum, buffer(contributions[r]).getInt(at));
                    }
                    result.putInt(at, sum);
                }
                case I64 -> {
                    long sum = buffer(contributions[0]).getLong(at);
                    for (int r = 1; r < ranks; r++) {
                        sum = combine(op, sum, buffer(contributions[r]).getLong(at));
                    }
                    result.putLong(at, sum);
                }
                case U8 -> {
                    long sum = contributions[0][at] & 0xff;
                    for (int r = 1; r < ranks; r++) {
                        sum = combine(op, sum, contributions[r][at] & 0xff) & 0xff;
                    }
                    result.put(at, (byte) sum);
                }
            }
        }
        return elements;
    }

    /** Makes all NaN alike, whose bits are not defined. */
    static byte[] canonical(DType dtype, byte[] elements) {
        byte[] alike = elements.clone();
        ByteBuffer bytes = buffer(alike);
        for (int at = 0; at < elements.length; at += dtype.bytes()) {
            switch (dtype) {
                case F64 -> bytes.putLong(at, Double.doubleToLongBits(bytes.getDouble(at)));
                case F32 -> bytes.putInt(at, Float.floatToIntBits(bytes.getFloat(at)));
                case F16, BF16 -> {
                    if (Float.isNaN(load(dtype, elements, at))) {
                        bytes.putShort(at, (short) 0x7fff);
                    }
                }
                default -> {}
            }
        }
        return alike;
    }

    static float load(DType dtype, byte[] elements, int at) {
        ByteBuffer bytes = buffer(elements);
        return switch (dtype) {
            case F32 -> bytes.getFloat(at);
            case BF16 -> Float.intBitsToFloat(bytes.getShort(at) << 16);
            default -> fromHalf(bytes.getShort(at));
        };
    }

    static float fromHalf(short half) {
        int exponent = half >> 10 & 31;
        int fraction = half & 1023;
        float magnitude =
                exponent == 31
                        ? (fraction == 0 ? Float.POSITIVE_INFINITY : Float.NaN)
                        : exponent == 0
                                ? Math.scalb((float) fraction, -24)
                                : Math.scalb(1024f + fraction, exponent - 25);
        return half < 0 ? -magnitude : magnitude;
    }

    /** Searches the nearest of all halves; of two as near, the even one. */
    static short toHalf(float value) {
        if (Float.isNaN(value)) {
            return 0x7e00;
        }
        int low = 0;
        int high = 0x7c00;
        double magnitude = Math.abs((double) value);
        while (high - low > 1) {
            int middle = (low + high) / 2;
            if (halfOrNext(middle) <= magnitude) {
                low = middle;
            } else {
                high = middle;
            }
        }
        double below = magnitude - halfOrNext(low);
        double above = halfOrNext(high) - magnitude;
        int nearest = below < above || below == above && low % 2 == 0 ? low : high;
        return (short) (nearest | (Float.floatToRawIntBits(value) < 0 ? 0x8000 : 0));
    }

    private static double halfOrNext(int half) {
        return half == 0x7c00 ? 65536 : fromHalf((short) half);
    }

    static short toBrain(float value) {
        if (Float.isNaN(value)) {
            return 0x7fc0;
        }
        int low = Float.floatToRawIntBits(value) & 0xffff0000;
        double below = Math.abs((double) value - Float.intBitsToFloat(low));
        float next = Float.intBitsToFloat(low + 0x10000);
        double above =
                Float.isInfinite(next)
                        ? Math.abs(Math.copySign(0x1p128, value) - value)
                        : Math.abs((double) next - value);
        boolean down =
                Float.isInfinite(value) || below < above || below == above && (low >> 16) % 2 == 0;
        return (short) ((down ? low : low + 0x10000) >>> 16);
    }

    private static double combine(ReduceOp op, double a, double b) {
        return switch (op.kind()) {
            case SUM, AVG, PREMULTIPLIED_SUM -> a + b;
            case MIN -> Math.min(a, b);
            case MAX -> Math.max(a, b);
            case PRODUCT -> a * b;
        };
    }

    private static long combine(ReduceOp op, long a, long b) {
        return switch (op.kind()) {
            case SUM -> a + b;
            case AVG, PREMULTIPLIED_SUM -> throw new IllegalArgumentException(op + " of integers");
            case MIN -> Math.min(a, b);
            case MAX -> Math.max(a, b);
            case PRODUCT -> a * b;
        };
    }

    private static ByteBuffer buffer(byte[] bytes) {
        return ByteBuffer.wrap(bytes).order(ByteOrder.nativeOrder());
    }
}
