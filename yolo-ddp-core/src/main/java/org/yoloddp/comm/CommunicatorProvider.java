package org.yoloddp.comm;

/**
 * Makes communicators of one kind; found by {@link CommunicatorProviders}.
 *
 * <p>To be registered as a service, with a public constructor without parameters that loads nothing
 * native: a provider on the class path of a machine that lacks what it needs changes nothing.
 */
public interface CommunicatorProvider {

    /**
     * Returns the name by which users choose it.
     *
     * @return the name, such as {@code nccl}
     */
    String name();

    /**
     * Tells whether it can work on a device of this machine. May load natives; does not throw.
     *
     * @param device where the ranks compute
     * @return the answer, with its reason
     */
    Availability probe(MemoryDevice device);

    /**
     * Connects a rank with all others; every rank of the world calls it, and it returns when all
     * have come.
     *
     * @param context who the rank is, and where the others are found
     * @return this rank's communicator
     */
    Communicator connect(GroupContext context);
}
