package org.yoloddp.train;

/** What the training of one rank leaves. */
record RankResult(int rank, TrainingReport report, TrainedWeights weights)
        implements AutoCloseable {

    @Override
    public void close() {
        weights.close();
    }
}
