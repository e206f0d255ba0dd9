package org.yoloddp.comm;

/**
 * Whether a communicator can be used here.
 *
 * @param available true if it can
 * @param reason why, or why not
 */
public record Availability(boolean available, String reason) {

    /**
     * Says yes.
     *
     * @param reason what was found, such as a version
     * @return the answer
     */
    public static Availability yes(String reason) {
        return new Availability(true, reason);
    }

    /**
     * Says no.
     *
     * @param reason what is missing, and how to get it
     * @return the answer
     */
    public static Availability no(String reason) {
        return new Availability(false, reason);
    }
}
