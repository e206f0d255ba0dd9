package org.yoloddp.detection;

import java.util.List;

/**
 * Where the pixels of a file ended up in the image that was made of it: scaled, then shifted.
 *
 * @param fileWidth the width of the decoded file
 * @param fileHeight the height of the decoded file
 * @param scale pixels of the image per pixel of the file
 * @param left the columns added at the left
 * @param top the rows added at the top
 */
public record Placement(int fileWidth, int fileHeight, double scale, double left, double top) {

    /**
     * Maps detections back to the file.
     *
     * @param detections boxes in pixels of the image
     * @return the boxes in pixels of the file, clipped to it
     */
    public List<Detection> toFile(List<Detection> detections) {
        return detections.stream().map(this::toFile).toList();
    }

    private Detection toFile(Detection d) {
        return new Detection(
                x(d.x1()), y(d.y1()), x(d.x2()), y(d.y2()), d.confidence(), d.classIndex());
    }

    /** Rows [class, x1, y1, x2, y2] in pixels of the image, mapped in place. */
    void toFile(float[][] boxes) {
        for (float[] row : boxes) {
            row[1] = x(row[1]);
            row[2] = y(row[2]);
            row[3] = x(row[3]);
            row[4] = y(row[4]);
        }
    }

    private float x(float value) {
        return Boxes.clip((value - (float) left) / (float) scale, fileWidth);
    }

    private float y(float value) {
        return Boxes.clip((value - (float) top) / (float) scale, fileHeight);
    }
}
