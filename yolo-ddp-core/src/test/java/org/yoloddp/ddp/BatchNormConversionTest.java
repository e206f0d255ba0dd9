package org.yoloddp.ddp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.AbstractBlock;
import ai.djl.nn.Block;
import ai.djl.nn.LambdaBlock;
import ai.djl.nn.ParallelBlock;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import ai.djl.nn.norm.BatchNorm;
import ai.djl.training.ParameterStore;
import ai.djl.util.PairList;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.yoloddp.torch.GradMode;
import org.yoloddp.yolo.ModelYaml;
import org.yoloddp.yolo.YoloV5Block;

/** Which batch norms of a block are found, and which cannot be replaced. */
@Tag("torch")
@Timeout(60)
class BatchNormConversionTest {

    private static final float[] ROWS = {1, 2, 4, 8, 16, 32};

    /** Holds its children twice, as DJL's own blocks do, and calls those of its fields. */
    private static final class Custom extends AbstractBlock {

        private final BatchNorm field;
        private final List<BatchNorm> list = new ArrayList<>();
        private final Map<String, Block> map = new LinkedHashMap<>();
        private final BatchNorm[] array;

        Custom() {
            super((byte) 1);
            field = addChildBlock("field", norm());
            list.add(addChildBlock("listed", norm()));
            map.put("mapped", addChildBlock("mapped", norm()));
            array = new BatchNorm[] {addChildBlock("arrayed", norm())};
        }

        @Override
        protected NDList forwardInternal(
                ParameterStore store,
                NDList inputs,
                boolean training,
                PairList<String, Object> params) {
            NDList x = field.forward(store, inputs, training);
            x = list.get(0).forward(store, x, training);
            x = map.get("mapped").forward(store, x, training);
            return array[0].forward(store, x, training);
        }

        @Override
        public Shape[] getOutputShapes(Shape[] shapes) {
            return shapes;
        }

        @Override
        protected void initializeChildBlocks(NDManager manager, DataType type, Shape... shapes) {
            getChildren().values().forEach(child -> child.initialize(manager, type, shapes));
        }
    }

    private record Pair(BatchNorm norm, String name) {}

    /** Calls a batch norm that it holds in a way of its own. */
    private static final class Holding extends AbstractBlock {

        private final Object held;

        Holding(Object held) {
            super((byte) 1);
            this.held = held;
        }

        @Override
        protected NDList forwardInternal(
                ParameterStore store,
                NDList inputs,
                boolean training,
                PairList<String, Object> params) {
            return new NDList(inputs.head().add(held.hashCode()));
        }

        @Override
        public Shape[] getOutputShapes(Shape[] shapes) {
            return shapes;
        }
    }

    private static BatchNorm norm() {
        return BatchNorm.builder().build();
    }

    @Test
    void findsThemInSequencesAndBranches() throws Exception {
        assertConverts(
                () ->
                        new SequentialBlock()
                                .add(norm())
                                .add(
                                        new ParallelBlock(
                                                branches ->
                                                        new NDList(
                                                                branches.get(0)
                                                                        .head()
                                                                        .add(
                                                                                branches.get(1)
                                                                                        .head())),
                                                List.of(
                                                        norm(),
                                                        new SequentialBlock().add(norm())))),
                "SequentialBlock.01BatchNorm",
                "SequentialBlock.02ParallelBlock.01BatchNorm",
                "SequentialBlock.02ParallelBlock.02SequentialBlock.01BatchNorm");
    }

    @Test
    void findsThemInFieldsListsMapsAndArrays() throws Exception {
        assertConverts(
                Custom::new,
                "Custom.01field",
                "Custom.02listed",
                "Custom.03mapped",
                "Custom.04arrayed");
    }

    /** Ranks with one row each: alone each would see no variance, and give beta, that is 0. */
    private static void assertConverts(Supplier<Block> make, String... paths) throws Exception {
        List<float[]> converted = Ranks.run(2, c -> forward(make.get(), c, 1, paths));
        float[] whole = Ranks.run(1, c -> forward(make.get(), c, 2)).get(0);

        for (int rank = 0; rank < 2; rank++) {
            for (int i = 0; i < 3; i++) {
                assertThat(converted.get(rank)[i]).isCloseTo(whole[3 * rank + i], within());
            }
        }
        assertThat(Math.abs(whole[0])).isGreaterThan(.5f);
    }

    private static org.assertj.core.data.Offset<Float> within() {
        return org.assertj.core.api.Assertions.within(1e-4f);
    }

    private static float[] forward(
            Block block, org.yoloddp.comm.Communicator communicator, int rows, String... paths) {
        try (NDManager manager = NDManager.newBaseManager();
                GradMode off = GradMode.disabled()) {
            block.initialize(manager, DataType.FLOAT32, new Shape(1, 3));
            List<String> names = block.getParameters().keys();
            try (SyncBatchNorm sync = SyncBatchNorm.convert(block, communicator)) {
                assertThat(sync.layers()).containsExactly(paths);
                assertThat(sync.block().getParameters().keys()).isEqualTo(names);
                NDArray all = manager.create(ROWS, new Shape(2, 3));
                int from = communicator.rank() * rows;
                NDArray mine = all.get(from + ":" + (from + rows));
                return sync.block()
                        .forward(new ParameterStore(manager, false), new NDList(mine), true)
                        .singletonOrThrow()
                        .toFloatArray();
            }
        }
    }

    @Test
    void evaluationStaysAsItIs() throws Exception {
        Ranks.run(
                2,
                c -> {
                    try (NDManager manager = NDManager.newBaseManager();
                            GradMode off = GradMode.disabled()) {
                        Block block = new Custom();
                        block.initialize(manager, DataType.FLOAT32, new Shape(1, 3));
                        NDList in = new NDList(manager.create(ROWS, new Shape(2, 3)));
                        ParameterStore store = new ParameterStore(manager, false);
                        float[] before = block.forward(store, in, false).head().toFloatArray();
                        SyncBatchNorm.convert(block, c).close();
                        assertThat(block.forward(store, in, false).head().toFloatArray())
                                .isEqualTo(before);
                    }
                    return true;
                });
    }

    @Test
    void convertsBeforeTheBlockIsInitialised() throws Exception {
        Ranks.run(
                2,
                c -> {
                    try (NDManager manager = NDManager.newBaseManager();
                            SyncBatchNorm sync = SyncBatchNorm.convert(new Custom(), c)) {
                        sync.block().initialize(manager, DataType.FLOAT32, new Shape(1, 3));
                        assertThat(sync.block().getParameters().values())
                                .allMatch(p -> p.getArray().getShape().equals(new Shape(3)));
                    }
                    return true;
                });
    }

    @Test
    void convertsYoloV5() throws Exception {
        Ranks.run(
                2,
                c -> {
                    YoloV5Block block = new YoloV5Block(ModelYaml.load("yolov5n"), 0);
                    try (SyncBatchNorm sync = SyncBatchNorm.convert(block, c)) {
                        assertThat(sync.block()).isSameAs(block);
                        assertThat(sync.layers())
                                .hasSize(57)
                                .startsWith("YoloV5Block.01model.0", "YoloV5Block.02model.1");
                    }
                    return true;
                });
    }

    @Test
    void refusesWhatItCannotReplace() {
        BatchNorm norm = norm();
        assertRefused(
                new Holding(List.of(norm)),
                "the batch norm at Holding.held[0] can't be replaced by one over all ranks: its"
                        + " container is immutable; hold it in a field, array, list or map that"
                        + " can be changed");
        assertRefused(
                new Holding(java.util.Set.of(norm)),
                "the batch norm at Holding.held[] can't be replaced by one over all ranks: its"
                        + " container is immutable; hold it in a field, array, list or map that"
                        + " can be changed");
        assertThatThrownBy(() -> convert(new Holding(new Pair(norm, "a"))))
                .isInstanceOf(SyncBatchNormException.class)
                .hasMessageStartingWith(
                        "the batch norm at Holding.held.norm can't be replaced by one over all"
                                + " ranks: ");
        assertThatThrownBy(
                        () ->
                                convert(
                                        new SequentialBlock()
                                                .add(Linear.builder().setUnits(2).build())
                                                .add(
                                                        new LambdaBlock(
                                                                list -> captured(norm, list)))))
                .isInstanceOf(SyncBatchNormException.class)
                .hasMessageStartingWith(
                        "the batch norm at SequentialBlock.02LambdaBlock.lambda.arg$1 can't be"
                                + " replaced by one over all ranks: ");
    }

    private static NDList captured(BatchNorm norm, NDList list) {
        return norm.isInitialized() ? list : new NDList();
    }

    private static void assertRefused(Block block, String message) {
        assertThatThrownBy(() -> convert(block))
                .isInstanceOf(SyncBatchNormException.class)
                .hasMessage(message);
    }

    private static void convert(Block block) throws Exception {
        Ranks.run(
                2,
                c -> {
                    SyncBatchNorm.convert(block, c).close();
                    return true;
                });
    }
}
