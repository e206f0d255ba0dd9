package org.yoloddp.detection;

/**
 * A step from the decoded image to the network's input. Stateless: all chance comes from the
 * context, which is seeded by (seed, epoch, index), so that a sample is transformed alike whatever
 * the number of loader threads or ranks.
 */
@FunctionalInterface
public interface ImageTransform {

    /**
     * Transforms a sample.
     *
     * @param sample the image and its labels
     * @param context chance, and the other samples of the data set
     * @return the transformed image and its labels
     */
    ImageSample apply(ImageSample sample, TransformContext context);

    /**
     * Returns this transform followed by another.
     *
     * @param next what comes after
     * @return both in one
     */
    default ImageTransform then(ImageTransform next) {
        return (sample, context) -> next.apply(apply(sample, context), context);
    }
}
