package org.yoloddp.comm.stress;

import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.comm.Work;
import org.yoloddp.comm.inprocess.InProcessCommunicator;

import java.time.Duration;
import java.util.List;

/** One rank waits; the last rank comes while an abort comes too. Both ranks must fare alike. */
@JCStressTest
@Outcome(id = "1, 1", expect = Expect.ACCEPTABLE, desc = "The last rank came first.")
@Outcome(id = "2, 2", expect = Expect.ACCEPTABLE, desc = "The abort came first.")
@Outcome(expect = Expect.FORBIDDEN, desc = "One rank succeeds and the other fails, or waits on.")
@State
public class AbortAgainstArrival {

    private static final Duration DEADLINE = Duration.ofSeconds(30);
    private static final IllegalStateException CAUSE = new IllegalStateException("abort");

    private final List<Communicator> ranks = InProcessCommunicator.group(2, DEADLINE);
    private final Work waiting = ranks.get(0).barrier("b");

    @Actor
    public void arrival(II_Result result) {
        result.r1 = outcome(ranks.get(1).barrier("b"));
    }

    @Actor
    public void abort() {
        ranks.get(0).abort(CAUSE);
    }

    @Arbiter
    public void other(II_Result result) {
        result.r2 = outcome(waiting);
    }

    private static int outcome(Work work) {
        try {
            work.await(DEADLINE);
            return 1;
        } catch (RankFailedException e) {
            return e.getCause() == CAUSE ? 2 : 3;
        }
    }
}
