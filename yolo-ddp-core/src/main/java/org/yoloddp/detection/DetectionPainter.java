package org.yoloddp.detection;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.opencv.global.opencv_imgproc;
import org.bytedeco.opencv.opencv_core.Mat;
import org.bytedeco.opencv.opencv_core.Point;
import org.bytedeco.opencv.opencv_core.Scalar;
import org.bytedeco.opencv.opencv_core.Size;

/**
 * Draws boxes on images: detected ones in the colour of their class, with its name and the
 * confidence; true ones thin and white. Thread-safe.
 */
public final class DetectionPainter {

    /** Colours that stay apart, blue first. */
    private static final int[][] COLOURS = {
        {56, 56, 255},
        {49, 210, 207},
        {255, 149, 0},
        {61, 219, 134},
        {255, 55, 199},
        {29, 178, 255},
        {147, 69, 52},
        {133, 0, 82},
        {168, 153, 44},
        {134, 219, 61},
    };

    private static final int[] WHITE = {255, 255, 255};
    private static final int FONT = opencv_imgproc.FONT_HERSHEY_SIMPLEX;
    private static final double FONT_PIXELS = 22;

    private final List<String> classNames;

    /**
     * Creates a painter.
     *
     * @param classNames the names of the classes, by index
     */
    public DetectionPainter(List<String> classNames) {
        this.classNames = List.copyOf(classNames);
    }

    /**
     * Draws true and detected boxes on an image.
     *
     * @param image the image; it is not changed
     * @param labels the true boxes, rows of class, centre x, centre y, width, height as fractions
     *     of the image; may be empty
     * @param detections the detected boxes in pixels of the image; may be empty
     * @return the image with boxes
     */
    public PixelImage draw(PixelImage image, float[][] labels, List<Detection> detections) {
        try (PointerScope scope = new PointerScope()) {
            Mat canvas = OpenCv.mat(image);
            int line = Math.max(2, Math.round((image.width() + image.height()) / 600f));
            for (float[] row : Boxes.toPixels(labels, image.width(), image.height(), 0, 0)) {
                frame(canvas, row[1], row[2], row[3], row[4], WHITE, 1);
            }
            // the surest box is drawn last, on top
            for (int i = detections.size() - 1; i >= 0; i--) {
                Detection d = detections.get(i);
                int[] colour = COLOURS[d.classIndex() % COLOURS.length];
                frame(canvas, d.x1(), d.y1(), d.x2(), d.y2(), colour, line);
                String text =
                        String.format(
                                Locale.ROOT,
                                "%s %.2f",
                                classNames.get(d.classIndex()),
                                d.confidence());
                caption(canvas, text, Math.round(d.x1()), Math.round(d.y1()), colour, line);
            }
            return OpenCv.image(canvas);
        }
    }

    /**
     * Draws true and detected boxes on an image file and writes the result.
     *
     * @param image the image file
     * @param labels the true boxes, rows of class, centre x, centre y, width, height as fractions
     *     of the image; may be empty
     * @param detections the detected boxes in pixels of the file; may be empty
     * @param output where to; the extension decides the format, for example {@code png} or {@code
     *     jpg}. Missing folders are made.
     * @return what was written
     * @throws DatasetException if the image can't be read or the result can't be written
     */
    public PixelImage draw(Path image, float[][] labels, List<Detection> detections, Path output) {
        PixelImage result = draw(ImageReader.decode(image), labels, detections);
        try {
            Files.createDirectories(output.toAbsolutePath().getParent());
        } catch (IOException e) {
            throw DatasetException.unwritable(output, e);
        }
        if (!OpenCv.write(output, result)) {
            throw DatasetException.unwritableImage(output);
        }
        return result;
    }

    private static void frame(
            Mat canvas, float x1, float y1, float x2, float y2, int[] colour, int thickness) {
        Point from = new Point(Math.round(x1), Math.round(y1));
        Point to = new Point(Math.round(x2), Math.round(y2));
        opencv_imgproc.rectangle(
                canvas, from, to, scalar(colour), thickness, opencv_imgproc.LINE_8, 0);
    }

    /** Above the box, or inside it where there is no room above. */
    private static void caption(
            Mat canvas, String text, int left, int top, int[] colour, int line) {
        double scale = Math.max(0.35, line * 4.5 / FONT_PIXELS);
        BytePointer encoded = new BytePointer(text, StandardCharsets.US_ASCII);
        int[] baseline = new int[1];
        Size size = opencv_imgproc.getTextSize(encoded, FONT, scale, 1, baseline);
        int height = size.height() + 4;
        int bottom = top - height >= 0 ? top : top + height;
        opencv_imgproc.rectangle(
                canvas,
                new Point(left, bottom - height),
                new Point(left + size.width() + 2, bottom),
                scalar(colour),
                opencv_imgproc.FILLED,
                opencv_imgproc.LINE_8,
                0);
        opencv_imgproc.putText(
                canvas,
                encoded,
                new Point(left + 1, bottom - 3),
                FONT,
                scale,
                scalar(WHITE),
                1,
                opencv_imgproc.LINE_AA,
                false);
    }

    private static Scalar scalar(int[] bgr) {
        return new Scalar(bgr[0], bgr[1], bgr[2], 0);
    }
}
