package org.yoloddp.detection;

/**
 * An image on its way through the transforms. Immutable.
 *
 * @param index the number of the sample in its part of the data set
 * @param image the pixels
 * @param labels rows of class, centre x, centre y, width, height; all but the class are fractions
 *     of the image. Not to be changed.
 * @param placement where the file's pixels are in the image; transforms that flip or warp leave it
 *     as it is, since nothing is mapped back after training
 */
public record ImageSample(int index, PixelImage image, float[][] labels, Placement placement) {

    /**
     * Returns a copy with other pixels and labels.
     *
     * @param newImage the pixels
     * @param newLabels the labels
     * @return the copy
     */
    public ImageSample with(PixelImage newImage, float[][] newLabels) {
        return new ImageSample(index, newImage, newLabels, placement);
    }
}
