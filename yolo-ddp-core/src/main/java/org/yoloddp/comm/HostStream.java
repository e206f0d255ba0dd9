package org.yoloddp.comm;

/** The host as a stream: nothing is ever under way. */
final class HostStream implements ComputeStream {

    @Override
    public MemoryDevice device() {
        return MemoryDevice.HOST;
    }

    @Override
    public StreamEvent record() {
        return StreamEvent.PASSED;
    }

    @Override
    public void waitFor(StreamEvent event) {
        if (!event.hasPassed()) {
            throw new IllegalArgumentException(
                    "The host is no stream that could wait for " + event + "; await the work");
        }
    }

    @Override
    public String toString() {
        return MemoryDevice.HOST.toString();
    }
}
