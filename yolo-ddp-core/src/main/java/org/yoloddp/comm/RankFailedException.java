package org.yoloddp.comm;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** A rank threw, died, hung or left, and so the group cannot go on. Thrown on all ranks. */
public final class RankFailedException extends CommunicationException {

    private static final long serialVersionUID = 1L;
    private static final String VANISHED = "it vanished without a word";

    private final transient int rank;
    private final transient String host;
    private final transient long pid;
    private final transient long step;
    private final transient String operation;
    private final transient List<String> threadStacks;

    private RankFailedException(
            String message,
            String group,
            int rank,
            String host,
            long pid,
            long step,
            String operation,
            @Nullable Throwable cause,
            List<String> threadStacks) {
        super(message, group, cause);
        this.rank = rank;
        this.host = host;
        this.pid = pid;
        this.step = step;
        this.operation = operation;
        this.threadStacks = List.copyOf(threadStacks);
    }

    /**
     * Creates the exception.
     *
     * @param group the name of the group
     * @param rank the rank that failed, by number in the world
     * @param host the host it ran on
     * @param pid its process
     * @param step the last step it reported, -1 if it reported none
     * @param operation what it did then, such as {@code during barrier(tag 'start')}
     * @param cause what it died of; null if it vanished without a word
     * @return the exception
     */
    public static RankFailedException of(
            String group,
            int rank,
            String host,
            long pid,
            long step,
            String operation,
            @Nullable Throwable cause) {
        return of(group, rank, host, pid, step, operation, cause, List.of());
    }

    /**
     * Creates the exception for a rank that stalls.
     *
     * @param group the name of the group
     * @param rank the rank that failed, by number in the world
     * @param host the host it ran on
     * @param pid its process
     * @param step the last step it reported, -1 if it reported none
     * @param operation what it did then
     * @param cause what it died of; null if it vanished without a word
     * @param threadStacks what its threads did, one text per thread; may be empty
     * @return the exception
     */
    public static RankFailedException of(
            String group,
            int rank,
            String host,
            long pid,
            long step,
            String operation,
            @Nullable Throwable cause,
            List<String> threadStacks) {
        return new RankFailedException(
                "Rank "
                        + rank
                        + " (process "
                        + pid
                        + " on "
                        + host
                        + ") failed"
                        + (step < 0 ? "" : " at step " + step)
                        + ", "
                        + operation
                        + " in group '"
                        + group
                        + "': "
                        + withoutStop(cause == null ? VANISHED : cause.toString())
                        + ". The other ranks cannot go on; mend what stopped rank "
                        + rank
                        + ".",
                group,
                rank,
                host,
                pid,
                step,
                operation,
                cause,
                threadStacks);
    }

    private static String withoutStop(String text) {
        return text.endsWith(".") ? text.substring(0, text.length() - 1) : text;
    }

    /**
     * Returns the rank that failed.
     *
     * @return the rank, by number in the world
     */
    public int rank() {
        return rank;
    }

    /**
     * Returns where it ran.
     *
     * @return the host
     */
    public String host() {
        return host;
    }

    /**
     * Returns its process.
     *
     * @return the process id
     */
    public long pid() {
        return pid;
    }

    /**
     * Returns the last step it reported by {@link Communicator#progress}.
     *
     * @return the step, -1 if unknown
     */
    public long step() {
        return step;
    }

    /**
     * Returns what it was doing.
     *
     * @return the operation
     */
    public String operation() {
        return operation;
    }

    /**
     * Returns what the rank died of, in words.
     *
     * @return the text that the message holds
     */
    public String causeText() {
        Throwable cause = getCause();
        return cause == null ? VANISHED : cause.toString();
    }

    /**
     * Returns what the threads of a rank that stalls did.
     *
     * @return the stacks, one text of several lines per thread; empty if the rank did not stall, or
     *     could not answer
     */
    public List<String> threadStacks() {
        return threadStacks;
    }

    @Override
    public RankFailedException copy() {
        return of(group(), rank, host, pid, step, operation, getCause(), threadStacks);
    }
}
