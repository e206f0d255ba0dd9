package org.yoloddp.yolo;

import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.AbstractBlock;
import ai.djl.nn.Parameter;
import ai.djl.nn.ParameterList;
import ai.djl.training.initializer.Initializer;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A block whose parameters have the names of YOLOv5's state dict: parts joined by dots, own ones
 * before those of children.
 */
abstract class NamedBlock extends AbstractBlock {

    private static final byte VERSION = 1;

    private final Map<String, NamedBlock> parts = new LinkedHashMap<>();
    private boolean known;

    NamedBlock() {
        super(VERSION);
    }

    final <B extends NamedBlock> B part(String name, B block) {
        parts.put(name, block);
        return addChildBlock(name, block);
    }

    final Parameter parameter(String name, Parameter.Type type, Shape shape, Initializer initial) {
        boolean learned =
                type == Parameter.Type.WEIGHT
                        || type == Parameter.Type.BIAS
                        || type == Parameter.Type.GAMMA
                        || type == Parameter.Type.BETA;
        return addParameter(
                Parameter.builder()
                        .setName(name)
                        .setType(type)
                        .optShape(shape)
                        .optInitializer(initial)
                        .optRequiresGrad(learned)
                        .build());
    }

    @Override
    public ParameterList getParameters() {
        ParameterList all = new ParameterList();
        parameters.forEach(all::add);
        parts.forEach(
                (part, layer) ->
                        layer.getParameters()
                                .forEach(p -> all.add(part + "." + p.getKey(), p.getValue())));
        return all;
    }

    @Override
    public boolean isInitialized() {
        if (!known) {
            known = getParameters().values().stream().allMatch(Parameter::isInitialized);
        }
        return known;
    }

    @Override
    public void clear() {
        known = false;
        super.clear();
    }

    @Override
    protected void prepare(Shape[] shapes) {
        // every shape is known from the model description
    }

    @Override
    protected void initializeChildBlocks(NDManager manager, DataType type, Shape... shapes) {
        parts.values().forEach(part -> part.initialize(manager, type, shapes));
    }
}
