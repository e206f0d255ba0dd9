package org.yoloddp.detection;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.function.UnaryOperator;

/** Finds objects in single images. Used by one thread. */
public final class Detector {

    private final UnaryOperator<NDList> predictor;
    private final PredictionDecoder decoder;
    private final NonMaxSuppression suppression;
    private final int imageSize;
    private final int stride;

    /**
     * Creates a detector.
     *
     * @param predictor runs the network in evaluation mode; the result belongs to the manager of
     *     the data
     * @param decoder reads the network's output
     * @param suppression how boxes are suppressed, for example {@link
     *     NonMaxSuppression#forDetection()}
     * @param imageSize the side of the square that images are scaled to fit into
     * @param stride the largest stride of the network: of the square only whole strides around the
     *     image are computed
     */
    public Detector(
            UnaryOperator<NDList> predictor,
            PredictionDecoder decoder,
            NonMaxSuppression suppression,
            int imageSize,
            int stride) {
        this.predictor = predictor;
        this.decoder = decoder;
        this.suppression = suppression;
        this.imageSize = imageSize;
        this.stride = stride;
    }

    /**
     * Finds objects in an image file.
     *
     * @param image the image file
     * @param manager the parent of the arrays that are made, which don't outlive the call
     * @return the detections, best first, in pixels of the file
     * @throws DatasetException if the file is no image
     */
    public List<Detection> detect(Path image, NDManager manager) {
        PixelImage pixels = ImageReader.decode(image);
        Placement whole = new Placement(pixels.width(), pixels.height(), 1, 0, 0);
        ImageSample sample =
                new Letterbox(imageSize, imageSize, true, stride)
                        .apply(new ImageSample(0, pixels, new float[0][], whole));
        PixelImage boxed = sample.image();
        ByteBuffer rgb = ByteBuffer.wrap(boxed.rgb());
        LoadedBatch batch = new LoadedBatch(List.of(sample), boxed.width(), boxed.height(), rgb);
        try (NDManager scope = manager.newSubManager()) {
            NDArray decoded = decoder.decode(predictor.apply(batch.data(scope)));
            int columns = (int) decoded.getShape().get(2);
            return sample.placement().toFile(suppression.apply(decoded.toFloatArray(), columns));
        }
    }
}
