package org.yoloddp.comm.stress;

import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.inprocess.InProcessCommunicator;

import java.time.Duration;
import java.util.List;

/** What a rank wrote before a barrier is seen by the other behind it. */
@JCStressTest
@Outcome(id = "1, 1", expect = Expect.ACCEPTABLE, desc = "Both see what the other wrote.")
@Outcome(expect = Expect.FORBIDDEN, desc = "The barrier hands over too early.")
@State
public class BarrierHandOver {

    private static final Duration DEADLINE = Duration.ofSeconds(30);

    private final List<Communicator> ranks = InProcessCommunicator.group(2, DEADLINE);
    private int a;
    private int b;

    @Actor
    public void rank0(II_Result result) {
        a = 1;
        ranks.get(0).barrier("b").await(DEADLINE);
        result.r1 = b;
    }

    @Actor
    public void rank1(II_Result result) {
        b = 1;
        ranks.get(1).barrier("b").await(DEADLINE);
        result.r2 = a;
    }
}
