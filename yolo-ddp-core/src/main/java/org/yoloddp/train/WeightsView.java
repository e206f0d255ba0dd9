package org.yoloddp.train;

import java.nio.file.Path;

/** The weights at the moment of a callback; not to be kept beyond it. */
public interface WeightsView {

    /**
     * Writes the weights, averaged ones if there are any, as safetensors under the block's names.
     *
     * @param file where to; an existing file is replaced at once, never half
     */
    void write(Path file);
}
