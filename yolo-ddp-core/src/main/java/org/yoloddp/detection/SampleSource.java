package org.yoloddp.detection;

import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;

/**
 * Decoded and resized images of a split, kept in memory as far as there is room. One for all ranks
 * of a JVM; thread-safe.
 */
final class SampleSource {

    private final DetectionSplit split;
    private final int imageSize;
    private final boolean training;
    private final AtomicReferenceArray<@Nullable Decoded> cache;
    private final AtomicLong used = new AtomicLong();
    private volatile long limit;

    /** An image, and the size that the file had. */
    private record Decoded(PixelImage image, int fileWidth, int fileHeight) {}

    SampleSource(DetectionSplit split, int imageSize, boolean training) {
        this.split = split;
        this.imageSize = imageSize;
        this.training = training;
        this.cache = new AtomicReferenceArray<>(split.size());
    }

    /** However much is allowed, a part of the heap is left to others. */
    void limit(long bytes, double shareOfHeap) {
        limit = Math.min(bytes, (long) (Runtime.getRuntime().maxMemory() * shareOfHeap));
    }

    DetectionSplit split() {
        return split;
    }

    long cachedBytes() {
        return used.get();
    }

    ImageSample load(int index) {
        Decoded decoded = cache.get(index);
        if (decoded == null) {
            PixelImage file = ImageReader.decode(split.samples().get(index).path());
            PixelImage image = ImageReader.fit(file, imageSize, training);
            decoded = new Decoded(image, file.width(), file.height());
            keep(index, decoded);
        }
        PixelImage image = decoded.image;
        Placement placement =
                new Placement(
                        decoded.fileWidth,
                        decoded.fileHeight,
                        (double) image.height() / decoded.fileHeight,
                        0,
                        0);
        return new ImageSample(index, image, split.samples().get(index).labels(), placement);
    }

    private void keep(int index, Decoded decoded) {
        long bytes = decoded.image.bgr().length;
        if (used.addAndGet(bytes) > limit || !cache.compareAndSet(index, null, decoded)) {
            used.addAndGet(-bytes);
        }
    }
}
