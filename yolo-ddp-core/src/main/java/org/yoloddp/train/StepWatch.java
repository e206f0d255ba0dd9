package org.yoloddp.train;

import org.yoloddp.events.BackwardEvent;
import org.yoloddp.events.DataWaitEvent;
import org.yoloddp.events.ExposedCommunicationEvent;
import org.yoloddp.events.ForwardEvent;
import org.yoloddp.events.OptimizerEvent;
import org.yoloddp.events.StepEvent;

/** The parts of the steps of one rank. */
final class StepWatch {

    final StepPart step;
    final StepPart dataWait;
    final StepPart forward;
    final StepPart backward;
    final StepPart exposedBuffers;
    final StepPart exposedGradients;
    final StepPart optimizer;
    final StepPart exposedParameters;

    StepWatch(int rank) {
        step = new StepPart(rank, StepEvent::new);
        dataWait = new StepPart(rank, DataWaitEvent::new);
        forward = new StepPart(rank, ForwardEvent::new);
        backward = new StepPart(rank, BackwardEvent::new);
        exposedBuffers = new StepPart(rank, () -> new ExposedCommunicationEvent("buffers"));
        exposedGradients = new StepPart(rank, () -> new ExposedCommunicationEvent("gradients"));
        optimizer = new StepPart(rank, OptimizerEvent::new);
        exposedParameters = new StepPart(rank, () -> new ExposedCommunicationEvent("parameters"));
    }

    PhaseMillis medians(double exposedMillis) {
        return new PhaseMillis(
                dataWait.median(),
                forward.median(),
                backward.median(),
                exposedMillis,
                optimizer.median());
    }
}
