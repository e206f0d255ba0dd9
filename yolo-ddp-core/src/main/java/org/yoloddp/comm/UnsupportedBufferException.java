package org.yoloddp.comm;

import java.util.Locale;
import org.yoloddp.error.YoloDdpException;

/** A communicator cannot work on this memory. */
public final class UnsupportedBufferException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    private UnsupportedBufferException(String message) {
        super(message);
    }

    /**
     * Creates the exception for memory on a device that the communicator does not reach.
     *
     * @param communicator the communicator's name
     * @param tag the collective
     * @param device where the memory lives
     * @param supported what the communicator supports
     * @return the exception
     */
    public static UnsupportedBufferException device(
            String communicator, String tag, MemoryDevice device, String supported) {
        return new UnsupportedBufferException(
                String.format(
                        Locale.ROOT,
                        "The communicator '%s' cannot work on the buffer of '%s' on device %s; it"
                                + " supports %s. Use a communicator for that device, or copy the data.",
                        communicator,
                        tag,
                        device,
                        supported));
    }

    /**
     * Creates the exception for a way of combining that an element type does not have.
     *
     * @param tag the collective
     * @param dtype the element type
     * @param op how to combine
     * @return the exception
     */
    public static UnsupportedBufferException reduction(String tag, DType dtype, ReduceOp op) {
        return new UnsupportedBufferException(
                String.format(
                        Locale.ROOT,
                        "%s of %s is not defined (collective '%s'): sum the integers and divide, or"
                                + " use a floating-point type.",
                        op,
                        dtype,
                        tag));
    }

    /**
     * Creates the exception for memory that is asked for on a device where a communicator has none.
     *
     * @param group the communicator's group
     * @param device where the memory is wanted
     * @return the exception
     */
    public static UnsupportedBufferException memory(String group, MemoryDevice device) {
        return new UnsupportedBufferException(
                String.format(
                        Locale.ROOT,
                        "The communicator of group '%s' has no memory on device %s. Use a communicator"
                                + " for that device.",
                        group,
                        device));
    }

    /**
     * Creates the exception for a look from Java into the memory of a device.
     *
     * @param buffer the buffer
     * @return the exception
     */
    public static UnsupportedBufferException bytes(CommBuffer buffer) {
        return new UnsupportedBufferException(
                String.format(
                        Locale.ROOT,
                        "The bytes of a buffer of %d x %s on device %s can't be seen from Java: make an"
                                + " array over its address, and copy that to the host.",
                        buffer.count(),
                        buffer.dtype(),
                        buffer.device()));
    }
}
