package org.yoloddp.torch;

/**
 * Whether operations of the calling thread are recorded for backward; put back on close.
 *
 * <p>libtorch keeps it per thread: on for a new thread, but off for the one that started DJL.
 */
public final class GradMode implements AutoCloseable {

    private final boolean before;
    private final Thread thread;

    private GradMode(boolean on) {
        TorchRuntime.start();
        thread = Thread.currentThread();
        before = org.bytedeco.pytorch.GradMode.is_enabled();
        if (before != on) {
            org.bytedeco.pytorch.GradMode.set_enabled(on);
        }
    }

    /**
     * Records operations of this thread until closed.
     *
     * @return the scope
     */
    public static GradMode enabled() {
        return new GradMode(true);
    }

    /**
     * Records nothing on this thread until closed.
     *
     * @return the scope
     */
    public static GradMode disabled() {
        return new GradMode(false);
    }

    /**
     * Tells whether operations of this thread are recorded.
     *
     * @return the current mode
     */
    public static boolean isEnabled() {
        TorchRuntime.start();
        return org.bytedeco.pytorch.GradMode.is_enabled();
    }

    /**
     * Puts back the mode from before.
     *
     * @throws TorchException if called by another thread than the one that opened it
     */
    @Override
    public void close() {
        if (Thread.currentThread() != thread) {
            throw TorchException.wrongThread("gradient mode", thread);
        }
        org.bytedeco.pytorch.GradMode.set_enabled(before);
    }
}
