package org.yoloddp.natives;

import java.nio.file.Path;
import org.bytedeco.opencv.global.opencv_core;
import org.bytedeco.opencv.global.opencv_imgcodecs;
import org.bytedeco.opencv.global.opencv_imgproc;

/** Loads the three parts of OpenCV that decode and transform images. */
final class OpenCvLoader {

    private OpenCvLoader() {}

    static Path load(ClassLoader loader) {
        NativePlatform platform = NativePlatform.current();
        NativeJars.checkOpenCv(platform, loader);
        Path core = Path.of("opencv_core");
        try {
            JavaCpp.load(opencv_core.class);
            JavaCpp.load(opencv_imgproc.class);
            JavaCpp.load(opencv_imgcodecs.class);
        } catch (LinkageError e) {
            throw Failures.explain("OpenCV", e);
        }
        Path mapped = MappedLibraries.read().first("libopencv_core");
        return mapped == null ? core : mapped;
    }
}
