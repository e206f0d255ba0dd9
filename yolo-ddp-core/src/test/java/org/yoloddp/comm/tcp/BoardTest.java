package org.yoloddp.comm.tcp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class BoardTest {

    private final Board board =
            new Board(
                    new Words(ByteBuffer.allocateDirect(Board.bytes(2) + 64).alignedSlice(64)),
                    new int[] {0, 1});

    /** Whoever ends an operation may be held up after the first rank: that is no difference. */
    @Test
    void ranksAreNotSeenWhileAnOperationEndsForOneAfterTheOther() throws Exception {
        board.lock(0);
        board.advance(0);
        assertThat(board.head(0)).isEqualTo(1);
        assertThat(board.head(1)).isZero();
        CompletableFuture<Boolean> seen =
                CompletableFuture.supplyAsync(() -> board.areAt(0, 1, 1, 0));
        assertThatThrownBy(() -> seen.get(100, TimeUnit.MILLISECONDS))
                .isInstanceOf(TimeoutException.class);
        board.advance(1);
        board.unlock(0);
        assertThat(seen.get(20, TimeUnit.SECONDS)).isFalse();
        assertThat(board.areAt(0, 1, 1, 1)).isTrue();
    }
}
