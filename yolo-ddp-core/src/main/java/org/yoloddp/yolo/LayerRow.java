package org.yoloddp.yolo;

import java.util.List;

/**
 * One row of a model description.
 *
 * @param index number of the layer, from 0
 * @param from layers whose outputs are the inputs; a negative number counts back from this layer
 * @param repeats how often, before scaling by the depth multiple
 * @param module name of the module
 * @param arguments its arguments, before scaling by the width multiple
 */
record LayerRow(int index, List<Integer> from, int repeats, String module, List<Object> arguments) {

    @Override
    public String toString() {
        return "["
                + (from.size() == 1 ? from.get(0) : from)
                + ", "
                + repeats
                + ", "
                + module
                + ", "
                + arguments
                + "]";
    }
}
