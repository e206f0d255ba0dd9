package org.yoloddp.detection;

import org.yoloddp.error.ConfigurationException;

/**
 * How much images are varied in training. Immutable.
 *
 * @param hue the largest relative change of hue; default 0.015
 * @param saturation the largest relative change of saturation; default 0.7
 * @param brightness the largest relative change of brightness; default 0.4
 * @param flipUpDown the probability of a flip upside down; default 0
 * @param flipLeftRight the probability of a mirror image; default 0.5
 */
public record Augmentation(
        double hue, double saturation, double brightness, double flipUpDown, double flipLeftRight) {

    /**
     * Creates settings.
     *
     * @param hue the largest relative change of hue
     * @param saturation the largest relative change of saturation
     * @param brightness the largest relative change of brightness
     * @param flipUpDown the probability of a flip upside down
     * @param flipLeftRight the probability of a mirror image
     * @throws ConfigurationException if one is outside 0 to 1
     */
    public Augmentation {
        check("hue", hue);
        check("saturation", saturation);
        check("brightness", brightness);
        check("flipUpDown", flipUpDown);
        check("flipLeftRight", flipLeftRight);
    }

    /**
     * Returns YOLOv5's defaults.
     *
     * @return the defaults
     */
    public static Augmentation defaults() {
        return new Augmentation(0.015, 0.7, 0.4, 0, 0.5);
    }

    /**
     * Returns settings that leave images as they are.
     *
     * @return all 0
     */
    public static Augmentation none() {
        return new Augmentation(0, 0, 0, 0, 0);
    }

    /**
     * Returns a copy with another change of hue.
     *
     * @param value from 0 to 1
     * @return the copy
     * @throws ConfigurationException if it is outside 0 to 1
     */
    public Augmentation withHue(double value) {
        return new Augmentation(value, saturation, brightness, flipUpDown, flipLeftRight);
    }

    /**
     * Returns a copy with another change of saturation.
     *
     * @param value from 0 to 1
     * @return the copy
     * @throws ConfigurationException if it is outside 0 to 1
     */
    public Augmentation withSaturation(double value) {
        return new Augmentation(hue, value, brightness, flipUpDown, flipLeftRight);
    }

    /**
     * Returns a copy with another change of brightness.
     *
     * @param value from 0 to 1
     * @return the copy
     * @throws ConfigurationException if it is outside 0 to 1
     */
    public Augmentation withBrightness(double value) {
        return new Augmentation(hue, saturation, value, flipUpDown, flipLeftRight);
    }

    /**
     * Returns a copy with another probability of a flip upside down.
     *
     * @param value from 0 to 1
     * @return the copy
     * @throws ConfigurationException if it is outside 0 to 1
     */
    public Augmentation withFlipUpDown(double value) {
        return new Augmentation(hue, saturation, brightness, value, flipLeftRight);
    }

    /**
     * Returns a copy with another probability of a mirror image.
     *
     * @param value from 0 to 1
     * @return the copy
     * @throws ConfigurationException if it is outside 0 to 1
     */
    public Augmentation withFlipLeftRight(double value) {
        return new Augmentation(hue, saturation, brightness, flipUpDown, value);
    }

    private static void check(String name, double value) {
        if (!(value >= 0 && value <= 1)) {
            throw new ConfigurationException(
                    "augmentation " + name + " is " + value + ", but has to be from 0 to 1");
        }
    }
}
