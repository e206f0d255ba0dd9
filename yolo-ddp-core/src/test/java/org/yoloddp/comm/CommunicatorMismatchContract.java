package org.yoloddp.comm;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What every communicator does when ranks do not ask for the same. */
abstract class CommunicatorMismatchContract extends CommunicatorContract {

    private static final String ADVICE =
            ". All ranks must submit the same collectives in the same order; look for a branch or a"
                    + " loop that not all ranks take alike.";

    private record Mismatch(
            String what,
            Function<Communicator, Work> rank0,
            Function<Communicator, Work> rank1,
            String asked0,
            String asked1) {

        @Override
        public String toString() {
            return what;
        }
    }

    private static Function<Communicator, Work> reduce(
            DType dtype, long count, ReduceOp op, String tag) {
        return c -> allReduce(c, c.allocate(dtype, count), op, tag);
    }

    private static Function<Communicator, Work> broadcast(int root) {
        return c -> c.broadcast(c.allocate(DType.F32, 8), root, ComputeStream.HOST, "x");
    }

    private static Function<Communicator, Work> gather(long... counts) {
        return c -> c.allGather(c.allocate(DType.F32, 8), counts, ComputeStream.HOST, "x");
    }

    static Stream<Mismatch> mismatches() {
        Function<Communicator, Work> usual = reduce(DType.F32, 8, ReduceOp.SUM, "x");
        String asked = "allReduce(SUM, F32 x 8, tag 'x')";
        return Stream.of(
                new Mismatch("operation", usual, c -> c.barrier("x"), asked, "barrier(tag 'x')"),
                new Mismatch(
                        "type",
                        usual,
                        reduce(DType.I32, 8, ReduceOp.SUM, "x"),
                        asked,
                        "allReduce(SUM, I32 x 8, tag 'x')"),
                new Mismatch(
                        "length",
                        usual,
                        reduce(DType.F32, 9, ReduceOp.SUM, "x"),
                        asked,
                        "allReduce(SUM, F32 x 9, tag 'x')"),
                new Mismatch(
                        "way of combining",
                        usual,
                        reduce(DType.F32, 8, ReduceOp.AVG, "x"),
                        asked,
                        "allReduce(AVG, F32 x 8, tag 'x')"),
                new Mismatch(
                        "tag",
                        usual,
                        reduce(DType.F32, 8, ReduceOp.SUM, "y"),
                        asked,
                        "allReduce(SUM, F32 x 8, tag 'y')"),
                new Mismatch(
                        "root",
                        broadcast(0),
                        broadcast(1),
                        "broadcast(F32 x 8, root 0, tag 'x')",
                        "broadcast(F32 x 8, root 1, tag 'x')"),
                new Mismatch(
                        "shares",
                        gather(3, 5),
                        gather(5, 3),
                        "allGather(F32 x 8, shares [3, 5], tag 'x')",
                        "allGather(F32 x 8, shares [5, 3], tag 'x')"),
                new Mismatch(
                        "message's length",
                        c -> c.send(c.allocate(DType.F32, 8), 1, ComputeStream.HOST, "x"),
                        c -> c.recv(c.allocate(DType.F32, 4), 0, ComputeStream.HOST, "x"),
                        "send(F32 x 8, to 1, tag 'x')",
                        "recv(F32 x 4, from 0, tag 'x')"));
    }

    @ParameterizedTest
    @MethodSource("mismatches")
    void whatDiffersIsShownOnEveryRank(Mismatch mismatch) throws Exception {
        List<Throwable> failures =
                RankGroup.failures(
                        world(2),
                        c -> {
                            (c.rank() == 0 ? mismatch.rank0 : mismatch.rank1).apply(c).await(LONG);
                            return null;
                        });
        assertThat(failures)
                .allSatisfy(
                        f ->
                                assertThat(f)
                                        .isInstanceOf(CollectiveMismatchException.class)
                                        .hasMessage(
                                                "The ranks of group 'world' differ at collective 0:"
                                                        + " rank 0 asked for "
                                                        + mismatch.asked0
                                                        + "; rank 1 asked for "
                                                        + mismatch.asked1
                                                        + ADVICE));
    }

    @Test
    void swappedOrderOfEqualLookingCallsIsAMismatchOnEveryRank() throws Exception {
        List<Throwable> failures =
                RankGroup.failures(
                        world(3),
                        c -> {
                            c.barrier("start").await(LONG);
                            try (CommBuffer a = floats(c, 1f);
                                    CommBuffer b = floats(c, 2f)) {
                                Work first = allReduce(c, a, ReduceOp.SUM, rank1(c, "b", "a"));
                                Work second = allReduce(c, b, ReduceOp.SUM, rank1(c, "a", "b"));
                                first.await(LONG);
                                second.await(LONG);
                            }
                            return null;
                        });
        assertThat(failures)
                .allSatisfy(
                        f -> {
                            assertThat(f)
                                    .isInstanceOf(CollectiveMismatchException.class)
                                    .hasMessage(
                                            "The ranks of group 'world' differ at collective 1:"
                                                    + " ranks 0, 2 asked for allReduce(SUM, F32 x 1,"
                                                    + " tag 'a'); rank 1 asked for allReduce(SUM, F32 x"
                                                    + " 1, tag 'b')"
                                                    + ADVICE);
                            CollectiveMismatchException e = (CollectiveMismatchException) f;
                            assertThat(e.group()).isEqualTo("world");
                            assertThat(e.sequence()).isEqualTo(1);
                            Map<Integer, String> tags = new TreeMap<>();
                            e.calls().forEach((rank, call) -> tags.put(rank, call.tag()));
                            assertThat(tags)
                                    .isEqualTo(new TreeMap<>(Map.of(0, "a", 1, "b", 2, "a")));
                        });
    }

    private static String rank1(Communicator c, String then, String otherwise) {
        return c.rank() == 1 ? then : otherwise;
    }

    @Test
    void ranksInDifferentGroupsAreAMismatchOnEveryRank() throws Exception {
        List<Throwable> failures =
                RankGroup.failures(
                        world(2, Duration.ofMillis(300)),
                        c -> {
                            Communicator a = c.split("a", 0, 1).orElseThrow();
                            Communicator b = c.split("b", 0, 1).orElseThrow();
                            (c.rank() == 0 ? a : b).barrier("x").await(LONG);
                            return null;
                        });
        String in0 = "rank 0 asked for barrier(tag 'x')";
        String in1 = "rank 1 asked for barrier(tag 'x')";
        String start = "The ranks of group '%s' differ at collective 0: ";
        String seenBy0 = start.formatted("a") + in0 + "; " + in1 + " as collective 0 of group 'b'";
        String seenBy1 = start.formatted("b") + in0 + " as collective 0 of group 'a'; " + in1;
        assertThat(failures)
                .allSatisfy(f -> assertThat(f).hasMessage(failures.get(0).getMessage()));
        assertThat(failures.get(0))
                .isInstanceOf(CollectiveMismatchException.class)
                .message()
                .isIn(seenBy0 + ADVICE, seenBy1 + ADVICE);
    }

    @Test
    void differentSplitsAreAMismatch() throws Exception {
        List<Throwable> failures =
                RankGroup.failures(
                        world(2), c -> c.split(c.rank() == 0 ? "a" : "b", 0, 1).isPresent());
        assertThat(failures)
                .allSatisfy(
                        f ->
                                assertThat(f)
                                        .hasMessage(
                                                "The ranks of group 'world' differ at collective 0:"
                                                        + " rank 0 asked for split(ranks [0, 1], tag"
                                                        + " 'a'); rank 1 asked for split(ranks [0, 1],"
                                                        + " tag 'b')"
                                                        + ADVICE));
    }

    @Test
    void messagesThatCrossAreAMismatch() throws Exception {
        List<Throwable> failures =
                RankGroup.failures(
                        world(2),
                        c -> {
                            int other = 1 - c.rank();
                            try (CommBuffer a = floats(c, 1f);
                                    CommBuffer b = floats(c, 2f)) {
                                Work sent = c.send(a, other, ComputeStream.HOST, "x");
                                c.recv(b, other, ComputeStream.HOST, "x");
                                sent.await(LONG);
                            }
                            return null;
                        });
        assertThat(failures)
                .allSatisfy(
                        f ->
                                assertThat(f)
                                        .hasMessage(
                                                "The ranks of group 'world' differ at collective 0:"
                                                        + " rank 0 asked for send(F32 x 1, to 1, tag"
                                                        + " 'x'); rank 1 asked for send(F32 x 1, to 0,"
                                                        + " tag 'x')"
                                                        + ADVICE));
    }
}
