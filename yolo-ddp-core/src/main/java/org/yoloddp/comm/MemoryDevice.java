package org.yoloddp.comm;

/**
 * Where memory lives.
 *
 * @param type the kind, such as {@code cpu} or {@code cuda}
 * @param index the number of the device, 0 for the host
 */
public record MemoryDevice(String type, int index) {

    /** The host's memory. */
    public static final MemoryDevice HOST = new MemoryDevice("cpu", 0);

    /**
     * Tells whether this is the host's memory, which Java can read.
     *
     * @return true for {@link #HOST}
     */
    public boolean isHost() {
        return equals(HOST);
    }

    @Override
    public String toString() {
        return isHost() ? type : type + ":" + index;
    }
}
