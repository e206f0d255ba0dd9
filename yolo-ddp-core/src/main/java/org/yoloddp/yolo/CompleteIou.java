package org.yoloddp.yolo;

import static org.yoloddp.torch.TorchOps.plus;
import static org.yoloddp.torch.TorchOps.times;

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
        NDArray half1 = times(size1, .5);
        NDArray half2 = times(size2, .5);
        NDArray low1 = centre1.sub(half1);
        NDArray high1 = centre1.add(half1);
        NDArray low2 = centre2.sub(half2);
        NDArray high2 = centre2.add(half2);

        NDArray shared =
                product(high1.minimum(high2).sub(low1.maximum(low2)).clip(0, Float.MAX_VALUE));
        NDArray union = plus(product(size1).add(product(size2)).sub(shared), EPSILON);
        NDArray iou = shared.div(union);

        NDArray hull = high1.maximum(high2).sub(low1.minimum(low2));
        NDArray diagonal = plus(hull.square().sum(LAST, true), EPSILON);
        NDArray apart = low2.add(high2).sub(low1).sub(high1).square().sum(LAST, true);
        NDArray distance = times(apart, .25);

        NDArray v = times(angle(size2).sub(angle(size1)).square(), 4 / (Math.PI * Math.PI));
        NDArray fixedV = v.stopGradient();
        NDArray alpha = fixedV.div(plus(fixedV.sub(iou.stopGradient()), 1 + EPSILON));
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
