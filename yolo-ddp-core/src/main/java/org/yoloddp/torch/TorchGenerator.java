package org.yoloddp.torch;

import org.bytedeco.pytorch.Generator;
import org.bytedeco.pytorch.global.torch;

/**
 * A random generator of its own. libtorch's default one is shared by all threads, so that what a
 * rank draws would depend on the others.
 *
 * <p>The same stream as PyTorch's {@code torch.Generator().manual_seed(seed)}, of whose seed only
 * the low 32 bits count.
 */
public final class TorchGenerator implements AutoCloseable {

    private final Generator generator;

    /**
     * Creates a generator.
     *
     * @param seed where its stream begins
     */
    public TorchGenerator(long seed) {
        TorchRuntime.start();
        generator = torch.make_generator_cpu(seed);
    }

    /**
     * Starts the stream anew.
     *
     * @param seed where it begins
     */
    public void reseed(long seed) {
        generator.set_current_seed(seed);
    }

    Generator generator() {
        return generator;
    }

    @Override
    public void close() {
        generator.close();
    }
}
