package org.yoloddp.train;

import org.jspecify.annotations.Nullable;
import org.yoloddp.ddp.Replica;
import org.yoloddp.optim.WeightEma;

/** The weights that are validated and kept: averaged over the steps, or the trained ones. */
final class AveragedModel implements AutoCloseable {

    private final RankModel model;
    private final @Nullable WeightEma average;

    private AveragedModel(RankModel model, @Nullable WeightEma average) {
        this.model = model;
        this.average = average;
    }

    static AveragedModel create(TrainingSettings settings, RankContext rank, RankModel trained) {
        if (settings.averageDecay() == 0) {
            return new AveragedModel(trained, null);
        }
        RankModel copy = RankModel.create(settings, rank);
        return new AveragedModel(
                copy,
                WeightEma.create(
                        copy.state(),
                        trained.state(),
                        settings.averageDecay(),
                        WeightEma.DEFAULT_TAU));
    }

    RankModel model() {
        return model;
    }

    /** Takes a step of the trained weights into the average. */
    void update() {
        if (average != null) {
            average.update();
        }
    }

    /** Gives all ranks rank 0's averaged buffers, since running statistics are per rank. */
    void synchronise(Replica replica) {
        if (average != null) {
            replica.broadcastBuffers(model.state());
        }
    }

    @Override
    public void close() {
        if (average != null) {
            average.close();
        }
    }
}
