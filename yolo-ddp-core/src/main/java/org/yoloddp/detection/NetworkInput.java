package org.yoloddp.detection;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;

/**
 * One image file as a detector takes it: decoded, scaled to fit, the rest grey. Immutable.
 *
 * @param image the pixels of the network's input
 * @param placement where the file's pixels are in it
 */
public record NetworkInput(PixelImage image, Placement placement) {

    /**
     * Reads an image file.
     *
     * @param file the image
     * @param imageSize the longer side of the network's input
     * @param stride fills only as far as whole strides need; 0 fills to a square
     * @return the input
     * @throws DatasetException if the file cannot be read or decoded
     */
    public static NetworkInput read(Path file, int imageSize, int stride) {
        PixelImage decoded = ImageReader.decode(file);
        Placement whole = new Placement(decoded.width(), decoded.height(), 1, 0, 0);
        ImageSample boxed =
                new Letterbox(imageSize, imageSize, true, stride)
                        .apply(new ImageSample(0, decoded, new float[0][], whole));
        return new NetworkInput(boxed.image(), boxed.placement());
    }

    /**
     * Returns the pixels as the network takes them.
     *
     * @param manager owns the array
     * @return float32 of 1×3×H×W in [0, 1], red first, channels_last
     */
    public NDArray array(NDManager manager) {
        byte[] rgb = image.rgb();
        ByteBuffer buffer = ByteBuffer.allocateDirect(rgb.length).put(rgb).flip();
        List<ImageSample> samples = List.of(new ImageSample(0, image, new float[0][], placement));
        return new LoadedBatch(samples, image.width(), image.height(), buffer).data(manager).head();
    }
}
