package org.yoloddp.train;

import java.util.List;
import org.yoloddp.amp.Precision;
import org.yoloddp.ddp.Reduction;
import org.yoloddp.optim.OptimizerSpec;
import org.yoloddp.rendezvous.Heartbeats;
import org.yoloddp.sampler.IndexSampler;
import org.yoloddp.schedule.HyperparameterSchedule;

/**
 * Everything that one training is made of; checked by whoever builds it.
 *
 * @param task what to train
 * @param epochs the number of epochs
 * @param batchSize the samples of one batch over all ranks
 * @param optimizer the optimizer
 * @param schedule learning rates, momentum and accumulation by step
 * @param sampler which samples a rank sees
 * @param join what happens where ranks have unlike numbers of samples
 * @param precision the number format of the forward pass
 * @param clipNorm the largest gradient norm; infinite for no limit
 * @param averageDecay the final decay of the averaged weights; 0 for none
 * @param validateEvery epochs from one validation to the next
 * @param patience epochs without improvement after which to stop; 0 for never
 * @param channelsLast whether four-dimensional parameters and inputs are laid out channels last
 * @param seed the seed of all randomness
 * @param reduction how gradients are exchanged
 * @param syncBatchNorm whether batch norm takes its statistics over all ranks
 * @param loading how batches are loaded
 * @param deadlines how long waits may take
 * @param heartbeats how ranks that are gone or stuck are noticed
 * @param observers who watches, in order
 */
public record TrainingSettings(
        TrainingTask task,
        int epochs,
        int batchSize,
        OptimizerSpec optimizer,
        HyperparameterSchedule schedule,
        IndexSampler sampler,
        Join join,
        Precision precision,
        double clipNorm,
        double averageDecay,
        int validateEvery,
        int patience,
        boolean channelsLast,
        long seed,
        Reduction reduction,
        boolean syncBatchNorm,
        Loading loading,
        Deadlines deadlines,
        Heartbeats heartbeats,
        List<TrainingObserver> observers) {}
