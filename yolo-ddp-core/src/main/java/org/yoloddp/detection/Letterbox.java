package org.yoloddp.detection;

/**
 * Scales an image to fit into a rectangle, and fills the rest with grey.
 *
 * @param width the width of the rectangle
 * @param height the height of the rectangle
 * @param scaleUp whether a small image is enlarged
 * @param stride if positive, the rest is filled only as far as whole strides need: what a detector
 *     takes for a single image
 */
record Letterbox(int width, int height, boolean scaleUp, int stride) implements ImageTransform {

    @Override
    public ImageSample apply(ImageSample sample, TransformContext context) {
        return apply(sample);
    }

    ImageSample apply(ImageSample sample) {
        PixelImage image = sample.image();
        double ratio = Math.min((double) height / image.height(), (double) width / image.width());
        if (!scaleUp) {
            ratio = Math.min(ratio, 1);
        }
        int innerWidth = (int) Math.rint(image.width() * ratio);
        int innerHeight = (int) Math.rint(image.height() * ratio);
        int restX = stride > 0 ? (width - innerWidth) % stride : width - innerWidth;
        int restY = stride > 0 ? (height - innerHeight) % stride : height - innerHeight;
        int boxWidth = innerWidth + restX;
        int boxHeight = innerHeight + restY;
        double left = restX / 2.0;
        double top = restY / 2.0;
        PixelImage inner = image;
        if (innerWidth != image.width() || innerHeight != image.height()) {
            inner = OpenCv.resize(image, Math.max(innerWidth, 1), Math.max(innerHeight, 1), true);
        }
        // of an odd rest the larger half goes right and below
        PixelImage boxed =
                inner.onGrey(
                        (int) Math.rint(left - 0.1),
                        (int) Math.rint(top - 0.1),
                        boxWidth,
                        boxHeight);
        float[][] corners =
                Boxes.toPixels(
                        sample.labels(), ratio * image.width(), ratio * image.height(), left, top);
        Placement old = sample.placement();
        Placement placement =
                new Placement(
                        old.fileWidth(),
                        old.fileHeight(),
                        old.scale() * ratio,
                        old.left() * ratio + left,
                        old.top() * ratio + top);
        return new ImageSample(
                sample.index(), boxed, Boxes.toNormalised(corners, boxWidth, boxHeight), placement);
    }
}
