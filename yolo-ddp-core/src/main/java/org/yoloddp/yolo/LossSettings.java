package org.yoloddp.yolo;

/** Gains of the three terms, scaled to the model and the image, and what else shapes the loss. */
record LossSettings(
        double box,
        double obj,
        double cls,
        double objPw,
        double clsPw,
        float anchorT,
        double flGamma,
        double labelSmoothing) {

    /** Gains are given for 3 levels, 80 classes and images of 640 px. */
    static LossSettings scaled(Hyp hyp, YoloV5Block block, int imageSize) {
        double levels = 3.0 / block.strides().length;
        double side = imageSize / 640.0;
        return new LossSettings(
                hyp.get("box") * levels,
                hyp.get("obj") * side * side * levels,
                hyp.get("cls") * block.yaml().classes() / 80 * levels,
                hyp.get("obj_pw"),
                hyp.get("cls_pw"),
                (float) hyp.get("anchor_t"),
                hyp.get("fl_gamma"),
                hyp.get("label_smoothing"));
    }
}
