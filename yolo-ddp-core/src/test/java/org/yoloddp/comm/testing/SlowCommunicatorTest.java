package org.yoloddp.comm.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.yoloddp.comm.CollectiveTimeoutException;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.comm.ReduceOp;
import org.yoloddp.comm.Work;

@Timeout(30)
class SlowCommunicatorTest {

    private static final Duration DEADLINE = Duration.ofSeconds(20);
    private static final Duration DELAY = Duration.ofMillis(30);

    private static Communicator slow(Communicator inner) {
        return SlowCommunicator.around(inner, DELAY, tag -> tag.startsWith("slow"));
    }

    @Test
    void delaysWhatIsNamedAndKeepsTheOrder() throws Exception {
        List<List<String>> ends =
                InProcessGroup.run(
                        2,
                        inner -> {
                            List<String> log = Collections.synchronizedList(new ArrayList<>());
                            try (Communicator c = slow(inner);
                                    CommBuffer buffer = c.allocate(DType.F32, 4)) {
                                buffer.bytes().putFloat(0, c.rank());
                                long from = System.nanoTime();
                                Work first = reduce(c, buffer, "slow");
                                Work second = c.barrier("quick");
                                first.whenEnded(() -> log.add("slow"));
                                second.whenEnded(() -> log.add("quick"));
                                log.add("submitted");
                                second.await(DEADLINE);
                                assertThat(first.isDone()).isTrue();
                                assertThat(System.nanoTime() - from)
                                        .isGreaterThanOrEqualTo(DELAY.toNanos());
                                assertThat(buffer.bytes().getFloat(0)).isEqualTo(.5f);
                                first.await(DEADLINE);
                                assertThat(first.failure()).isEmpty();
                            }
                            return log;
                        },
                        DEADLINE);

        assertThat(ends).containsOnly(List.of("submitted", "slow", "quick"));
    }

    private static Work reduce(Communicator c, CommBuffer buffer, String tag) {
        return c.allReduce(buffer, ReduceOp.AVG, ComputeStream.HOST, tag);
    }

    @Test
    void whatIsNotDoneInTimeFails() throws Exception {
        InProcessGroup.run(
                1,
                inner -> {
                    Duration long_ = Duration.ofSeconds(5);
                    try (Communicator c = SlowCommunicator.around(inner, long_, tag -> true)) {
                        Work work = c.barrier("late");
                        assertThatThrownBy(() -> work.await(Duration.ofMillis(20)))
                                .isInstanceOf(CollectiveTimeoutException.class)
                                .hasMessageContaining("barrier(tag 'late')");
                    }
                    return null;
                },
                DEADLINE);
    }

    @Test
    void anAbortReachesTheOthers() throws Exception {
        IllegalStateException mine = new IllegalStateException("as wanted");
        InProcessGroup.run(
                2,
                inner -> {
                    try (Communicator c = slow(inner);
                            CommBuffer buffer = c.allocate(DType.F32, 4)) {
                        Work work = reduce(c, buffer, "slow");
                        if (c.rank() == 1) {
                            c.abort(mine);
                        }
                        assertThatThrownBy(() -> work.await(DEADLINE))
                                .isInstanceOf(RankFailedException.class)
                                .hasCause(mine);
                        assertThat(work.failure()).isPresent();
                    }
                    return null;
                },
                DEADLINE);
    }
}
