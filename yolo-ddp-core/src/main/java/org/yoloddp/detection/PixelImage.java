package org.yoloddp.detection;

import java.util.Arrays;

/**
 * A colour image.
 *
 * @param width the width in pixels
 * @param height the height in pixels
 * @param bgr blue, green and red of each pixel, a byte each, row by row from the top. Shared by
 *     whoever holds the image, hence not to be changed.
 */
public record PixelImage(int width, int height, byte[] bgr) {

    /** The grey around a letterboxed image. */
    static final byte GREY = 114;

    /**
     * Creates an image.
     *
     * @param width the width in pixels
     * @param height the height in pixels
     * @param bgr the pixels
     * @throws IllegalArgumentException if the number of pixels is another one
     */
    public PixelImage {
        if (bgr.length != width * height * 3) {
            throw new IllegalArgumentException(
                    bgr.length + " bytes are no image of " + width + "x" + height);
        }
    }

    /** This image on a larger grey one. */
    PixelImage onGrey(int left, int top, int newWidth, int newHeight) {
        if (newWidth == width && newHeight == height) {
            return this;
        }
        byte[] result = new byte[newWidth * newHeight * 3];
        Arrays.fill(result, GREY);
        for (int y = 0; y < height; y++) {
            int to = ((top + y) * newWidth + left) * 3;
            System.arraycopy(bgr, y * width * 3, result, to, width * 3);
        }
        return new PixelImage(newWidth, newHeight, result);
    }

    /** Red, green, blue: the order that networks are trained on. */
    byte[] rgb() {
        byte[] result = new byte[bgr.length];
        for (int i = 0; i < bgr.length; i += 3) {
            result[i] = bgr[i + 2];
            result[i + 1] = bgr[i + 1];
            result[i + 2] = bgr[i];
        }
        return result;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof PixelImage that
                && width == that.width
                && height == that.height
                && Arrays.equals(bgr, that.bgr);
    }

    @Override
    public int hashCode() {
        return (31 * width + height) * 31 + Arrays.hashCode(bgr);
    }

    @Override
    public String toString() {
        return "PixelImage " + width + "x" + height;
    }
}
