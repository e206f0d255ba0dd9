package org.yoloddp.detection;

/** Mirrors an image with a probability, upside down or left to right. */
record RandomFlip(double probability, boolean upDown) implements ImageTransform {

    @Override
    public ImageSample apply(ImageSample sample, TransformContext context) {
        if (context.random().nextDouble() >= probability) {
            return sample;
        }
        int axis = upDown ? 2 : 1;
        float[][] labels = new float[sample.labels().length][];
        for (int i = 0; i < labels.length; i++) {
            labels[i] = sample.labels()[i].clone();
            labels[i][axis] = 1 - labels[i][axis];
        }
        return sample.with(OpenCv.flip(sample.image(), upDown), labels);
    }
}
