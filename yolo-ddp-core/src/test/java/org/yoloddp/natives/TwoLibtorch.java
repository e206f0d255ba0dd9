package org.yoloddp.natives;

import ai.djl.engine.Engine;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.pytorch.global.torch;

/** What happens to a program that lets DJL and JavaCPP load a libtorch each. */
final class TwoLibtorch {

    private TwoLibtorch() {}

    public static void main(String[] arguments) {
        System.setProperty("PYTORCH_LIBRARY_PATH", System.getProperty("test.libtorch"));
        System.setProperty("PYTORCH_FLAVOR", "cpu");
        Engine.getInstance();
        Loader.load(torch.class);
    }
}
