package org.yoloddp.train;

/** What a rank tells those who wait for it. */
interface RankWatch {

    /** Notes that the rank isn't stuck. */
    void progress();

    /**
     * Notes that the rank has failed, and ends the others.
     *
     * @return why the training fails: this failure, or the one of the rank that failed first
     */
    Throwable failed(Throwable failure);
}
