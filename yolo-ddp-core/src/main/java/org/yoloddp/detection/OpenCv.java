package org.yoloddp.detection;

import java.nio.file.Path;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.opencv.global.opencv_core;
import org.bytedeco.opencv.global.opencv_imgcodecs;
import org.bytedeco.opencv.global.opencv_imgproc;
import org.bytedeco.opencv.opencv_core.Mat;
import org.bytedeco.opencv.opencv_core.Size;
import org.jspecify.annotations.Nullable;
import org.yoloddp.natives.Natives;

/** What OpenCV does for us; each call runs on the calling thread alone. */
final class OpenCv {

    /** The values of a look-up table. */
    static final int LEVELS = 256;

    static {
        Natives.openCv();
        // images are loaded in parallel, so OpenCV's own threads would only get in each other's way
        opencv_core.setNumThreads(1);
    }

    private OpenCv() {}

    /** Turns upright by EXIF; null if this is no image that OpenCV can read. */
    static @Nullable PixelImage decode(byte[] file) {
        try (PointerScope scope = new PointerScope()) {
            Mat encoded = new Mat(1, file.length, opencv_core.CV_8UC1, new BytePointer(file));
            Mat image = opencv_imgcodecs.imdecode(encoded, opencv_imgcodecs.IMREAD_COLOR);
            return image == null || image.empty() ? null : image(image);
        } catch (RuntimeException e) {
            return null; // OpenCV throws for some damaged files, and returns nothing for others
        }
    }

    /** The extension of the file decides the format. */
    static boolean write(Path file, PixelImage image) {
        try (PointerScope scope = new PointerScope()) {
            return opencv_imgcodecs.imwrite(file.toString(), mat(image));
        } catch (RuntimeException e) {
            return false; // an extension that OpenCV does not know
        }
    }

    /** Linear, or by the areas of pixels, which is meant for shrinking. */
    static PixelImage resize(PixelImage image, int width, int height, boolean linear) {
        try (PointerScope scope = new PointerScope()) {
            Mat result = new Mat();
            int how = linear ? opencv_imgproc.INTER_LINEAR : opencv_imgproc.INTER_AREA;
            opencv_imgproc.resize(mat(image), result, new Size(width, height), 0, 0, how);
            return image(result);
        }
    }

    /** Looks hue, saturation and value up in a table of such triples. */
    static PixelImage mapHsv(PixelImage image, byte[] table) {
        try (PointerScope scope = new PointerScope()) {
            Mat pixels = mat(image);
            Mat hsv = new Mat();
            Mat lookup = new Mat(1, LEVELS, opencv_core.CV_8UC3, new BytePointer(table));
            opencv_imgproc.cvtColor(pixels, hsv, opencv_imgproc.COLOR_BGR2HSV);
            opencv_core.LUT(hsv, lookup, hsv);
            opencv_imgproc.cvtColor(hsv, pixels, opencv_imgproc.COLOR_HSV2BGR);
            return image(pixels);
        }
    }

    static PixelImage flip(PixelImage image, boolean upDown) {
        try (PointerScope scope = new PointerScope()) {
            Mat pixels = mat(image);
            Mat result = new Mat();
            opencv_core.flip(pixels, result, upDown ? 0 : 1);
            return image(result);
        }
    }

    static Mat mat(PixelImage image) {
        return new Mat(
                image.height(), image.width(), opencv_core.CV_8UC3, new BytePointer(image.bgr()));
    }

    static PixelImage image(Mat mat) {
        byte[] bgr = new byte[mat.rows() * mat.cols() * 3];
        Mat whole = mat.isContinuous() ? mat : mat.clone();
        whole.data().get(bgr);
        return new PixelImage(mat.cols(), mat.rows(), bgr);
    }
}
