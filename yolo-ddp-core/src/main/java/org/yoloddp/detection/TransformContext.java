package org.yoloddp.detection;

import java.util.random.RandomGenerator;

/** What a transform may draw on besides its sample. */
public interface TransformContext {

    /**
     * Returns the source of chance of this sample in this epoch.
     *
     * @return a generator that no other sample shares
     */
    RandomGenerator random();

    /**
     * Returns the number of samples that {@link #load} knows.
     *
     * @return the number of samples
     */
    int size();

    /**
     * Loads another sample, resized like the one that is being transformed, for transforms that mix
     * several.
     *
     * @param index the number of the sample
     * @return the sample before any transform
     */
    ImageSample load(int index);
}
