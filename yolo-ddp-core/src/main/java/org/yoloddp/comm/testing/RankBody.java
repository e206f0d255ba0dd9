package org.yoloddp.comm.testing;

import org.yoloddp.comm.Communicator;

/**
 * What each rank of a test does.
 *
 * @param <T> the type of the result
 */
@FunctionalInterface
public interface RankBody<T> {

    /**
     * Does the work of one rank.
     *
     * @param communicator the rank's communicator, closed by the caller
     * @return the result
     * @throws Exception whatever goes wrong; it ends all ranks
     */
    T run(Communicator communicator) throws Exception;
}
