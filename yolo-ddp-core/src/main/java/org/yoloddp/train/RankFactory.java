package org.yoloddp.train;

/**
 * Makes what every rank needs its own one of.
 *
 * @param <T> the type of what is made
 */
@FunctionalInterface
public interface RankFactory<T> {

    /**
     * Makes the instance of one rank; called on the thread of that rank.
     *
     * @param context the rank
     * @return a new instance that no other rank shares
     */
    T create(RankContext context);
}
