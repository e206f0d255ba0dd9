package org.yoloddp.rendezvous;

/**
 * What a rank says of itself at every heartbeat.
 *
 * @param phase what it is doing
 * @param step the step it is about to do, -1 if unknown
 * @param sequence the number of its last collective, -1 if there was none
 * @param operation its last collective in words, empty if there was none
 * @param waiting whether it waits for others now
 * @param idleMillis how long ago it last made progress
 * @param limitMillis how long it may make none while others wait for it
 * @param intervalMillis how often it sends heartbeats
 * @param silenceMillis after how long without one it counts as gone
 */
record Beat(
        String phase,
        long step,
        long sequence,
        String operation,
        boolean waiting,
        long idleMillis,
        long limitMillis,
        long intervalMillis,
        long silenceMillis) {

    /** Of a rank that has just connected, with the heartbeats that are expected of it. */
    static Beat none(Heartbeats expected) {
        return new Beat(
                "",
                -1,
                -1,
                "",
                false,
                0,
                Long.MAX_VALUE,
                expected.interval().toMillis(),
                expected.silence().toMillis());
    }

    MessageWriter write(MessageWriter out) {
        return out.text(phase)
                .int64(step)
                .int64(sequence)
                .text(operation)
                .int8(waiting ? 1 : 0)
                .int64(idleMillis)
                .int64(limitMillis)
                .int64(intervalMillis)
                .int64(silenceMillis);
    }

    static Beat read(MessageReader in) throws MalformedMessageException {
        return new Beat(
                Texts.clean(in.text()),
                in.int64(),
                in.int64(),
                Texts.clean(in.text()),
                in.int8() != 0,
                in.int64(),
                in.int64(),
                Math.max(1, in.int64()),
                Math.max(1, in.int64()));
    }

    /** Says what the rank did, as part of the message of a failure. */
    String describe() {
        String collective =
                operation.isEmpty()
                        ? "before its first collective"
                        : (waiting ? "during " : "after ") + operation;
        return phase.isEmpty() ? collective : "in phase '" + phase + "', " + collective;
    }
}
