package org.yoloddp.amp;

/** A stretch of code that computes in a {@link Precision}; ends when closed. */
public interface PrecisionScope extends AutoCloseable {

    @Override
    void close();
}
