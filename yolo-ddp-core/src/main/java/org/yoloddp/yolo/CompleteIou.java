package org.yoloddp.yolo;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;

/**
 * Complete intersection over union of pairs of boxes: IoU less the squared distance of the centres
 * relative to the diagonal of the enclosing box, less a term for unlike aspect ratios, whose weight
 * is taken as a constant.
 */
final class CompleteIou {

    private static final double EPSILON = 1e-7;

    private CompleteIou() {}

    /** From centres and sizes (n, 2) of both boxes to (n, 1). */
    static NDArray of(NDArray centre1, NDArray size1, NDArray centre2, NDArray size2) {
        NDArray half1 = size1.div(2);
        NDArray half2 = size2.div(2);
        NDArray low1 = centre1.sub(half1);
        NDArray high1 = centre1.add(half1);
        NDArray low2 = centre2.sub(half2);
        NDArray high2 = centre2.add(half2);

        NDArray shared =
                product(high1.minimum(high2).sub(low1.maximum(low2)).clip(0, Float.MAX_VALUE));
        NDArray union = product(size1).add(product(size2)).sub(shared).add(EPSILON);
        NDArray iou = shared.div(union);

        NDArray hull = high1.maximum(high2).sub(low1.minimum(low2));
        NDArray diagonal = hull.square().sum(LAST, true).add(EPSILON);
        NDArray distance = low2.add(high2).sub(low1).sub(high1).square().sum(LAST, true).div(4);

        NDArray v = angle(size2).sub(angle(size1)).square().mul(4 / (Math.PI * Math.PI));
        NDArray fixedV = v.stopGradient();
        NDArray alpha = fixedV.div(fixedV.sub(iou.stopGradient()).add(1 + EPSILON));
        return iou.sub(distance.div(diagonal).add(v.mul(alpha)));
    }

    private static final int[] LAST = {1};

    private static NDArray product(NDArray pairs) {
        NDList columns = pairs.split(2, 1);
        return columns.get(0).mul(columns.get(1));
    }

    private static NDArray angle(NDArray size) {
        NDList columns = size.split(2, 1);
        return columns.get(0).div(columns.get(1)).atan();
    }
}
