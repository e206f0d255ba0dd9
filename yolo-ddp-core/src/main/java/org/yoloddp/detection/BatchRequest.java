package org.yoloddp.detection;

/**
 * What makes up a batch.
 *
 * @param indices the samples, in order
 * @param width the width of each image
 * @param height the height of each image
 */
record BatchRequest(int[] indices, int width, int height) {

    int size() {
        return indices.length;
    }

    int imageBytes() {
        return width * height * 3;
    }
}
