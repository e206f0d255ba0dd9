package org.yoloddp.train;

/**
 * Makes what every rank needs its own one of.
 *
 * @param <T> the type of what is made
 */
@FunctionalInterface
public interface RankFactory<T> {

    /**
     * Makes the instance of one rank. Called on the thread of that rank; for blocks once more if
     * weights are averaged, and on the caller's thread by {@code newModel}.
     *
     * @param context the rank
     * @return a new instance that no other rank shares
     */
    T create(RankContext context);
}
