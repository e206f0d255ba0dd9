package org.yoloddp.detection;

/** The transforms that come with the library. */
public final class Transforms {

    private Transforms() {}

    /**
     * Scales an image to fit into a rectangle, and fills the rest with grey.
     *
     * @param width the width of the rectangle
     * @param height the height of the rectangle
     * @param scaleUp whether a small image is enlarged
     * @return the transform
     */
    public static ImageTransform letterbox(int width, int height, boolean scaleUp) {
        return new Letterbox(width, height, scaleUp, 0);
    }

    /**
     * Scales hue, saturation and brightness, by one random factor each.
     *
     * @param hue the largest relative change of hue
     * @param saturation the largest relative change of saturation
     * @param brightness the largest relative change of brightness
     * @return the transform
     */
    public static ImageTransform colourJitter(double hue, double saturation, double brightness) {
        return new ColourJitter(hue, saturation, brightness);
    }

    /**
     * Turns an image upside down.
     *
     * @param probability how often, from 0 to 1
     * @return the transform
     */
    public static ImageTransform flipUpDown(double probability) {
        return new RandomFlip(probability, true);
    }

    /**
     * Mirrors an image left to right.
     *
     * @param probability how often, from 0 to 1
     * @return the transform
     */
    public static ImageTransform flipLeftRight(double probability) {
        return new RandomFlip(probability, false);
    }

    /**
     * What YOLOv5 does to images that it trains on, mosaic and perspective left out: letterbox to a
     * square, colours, flips.
     *
     * @param imageSize the width and height of the network's input
     * @param augmentation how much images are varied
     * @return the transform
     */
    public static ImageTransform yolov5Train(int imageSize, Augmentation augmentation) {
        return letterbox(imageSize, imageSize, true)
                .then(
                        colourJitter(
                                augmentation.hue(),
                                augmentation.saturation(),
                                augmentation.brightness()))
                .then(flipUpDown(augmentation.flipUpDown()))
                .then(flipLeftRight(augmentation.flipLeftRight()));
    }
}
