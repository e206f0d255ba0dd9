package org.yoloddp.comm.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.yoloddp.comm.CollectiveTimeoutException;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.Fingerprint;
import org.yoloddp.comm.ReduceOp;
import org.yoloddp.comm.Work;

class ScriptedCommunicatorTest {

    private static final Duration WAIT = Duration.ofSeconds(1);

    @Test
    void recordsCallsAndAnswersFromTheScript() {
        try (ScriptedCommunicator c =
                ScriptedCommunicator.of(1, 3).answer("g", b -> b.bytes().putFloat(4, 9f))) {
            CommBuffer buffer = c.allocate(DType.F32, 2);
            Work work = c.allReduce(buffer, ReduceOp.AVG, ComputeStream.HOST, "g");
            work.await(WAIT);
            c.broadcast(buffer, 2, ComputeStream.HOST, "state").await(WAIT);
            assertThat(work.isDone()).isTrue();
            assertThat(buffer.bytes().getFloat(0)).isZero();
            assertThat(buffer.bytes().getFloat(4)).isEqualTo(9f);
            assertThat(c.calls())
                    .extracting(Fingerprint::describe)
                    .containsExactly(
                            "allReduce(AVG, F32 x 2, tag 'g')",
                            "broadcast(F32 x 2, root 2, tag 'state')");
        }
    }

    @Test
    void failsAndStallsFromTheScript() {
        IllegalStateException problem = new IllegalStateException("cable");
        try (ScriptedCommunicator c = ScriptedCommunicator.of(0, 3).fail("a", problem).stall("b")) {
            Work failed = c.barrier("a");
            assertThat(failed.failure()).contains(problem);
            assertThatThrownBy(() -> failed.await(WAIT)).isSameAs(problem);
            Work stalled = c.barrier("b");
            assertThat(stalled.isDone()).isFalse();
            assertThatThrownBy(() -> stalled.await(WAIT))
                    .isInstanceOf(CollectiveTimeoutException.class)
                    .hasMessage(
                            "barrier(tag 'b'), collective 1 of group 'world', was not done within"
                                    + " 1000 ms: ranks 1, 2 did not come, rank 0 did. Find out what"
                                    + " ranks 1, 2 do instead (jstack), or raise the deadline.");
        }
    }

    @Test
    void remembersAbortCloseAndSplit() {
        ScriptedCommunicator c = ScriptedCommunicator.of(2, 4);
        assertThat(c.split("pair", 2, 0)).get().satisfies(s -> assertThat(s.rank()).isZero());
        assertThat(c.split("others", 0, 1)).isEmpty();
        assertThat(c.isClosed()).isFalse();
        IllegalStateException cause = new IllegalStateException("x");
        c.abort(cause);
        c.abort(new IllegalStateException("later"));
        c.close();
        assertThat(c.aborted()).contains(cause);
        assertThat(c.isClosed()).isTrue();
    }
}
