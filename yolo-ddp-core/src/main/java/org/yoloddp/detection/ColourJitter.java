package org.yoloddp.detection;

import java.util.random.RandomGenerator;

/** Scales hue, saturation and value by one random factor each. */
record ColourJitter(double hue, double saturation, double brightness) implements ImageTransform {

    private static final int HUES = 180;

    @Override
    public ImageSample apply(ImageSample sample, TransformContext context) {
        if (hue == 0 && saturation == 0 && brightness == 0) {
            return sample; // and nothing is drawn
        }
        RandomGenerator random = context.random();
        double h = random.nextDouble(-1, 1) * hue + 1;
        double s = random.nextDouble(-1, 1) * saturation + 1;
        double v = random.nextDouble(-1, 1) * brightness + 1;
        return sample.with(OpenCv.mapHsv(sample.image(), table(h, s, v)), sample.labels());
    }

    static byte[] table(double h, double s, double v) {
        byte[] table = new byte[OpenCv.LEVELS * 3];
        for (int x = 0; x < OpenCv.LEVELS; x++) {
            table[3 * x] = (byte) (int) (x * h % HUES);
            table[3 * x + 1] = (byte) (int) Math.min(x * s, 255);
            table[3 * x + 2] = (byte) (int) Math.min(x * v, 255);
        }
        return table;
    }
}
