package org.yoloddp.natives;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.jni.JniUtils;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.opencv.global.opencv_core;
import org.bytedeco.pytorch.global.torch;

/**
 * A program that uses DJL, JavaCPP or OpenCV before yolo-ddp, then starts it and computes with both
 * bindings on one array. Prints what it found as {@code name=value}.
 */
final class StartOrder {

    private StartOrder() {}

    public static void main(String[] arguments) throws Exception {
        for (String first : arguments) {
            switch (first) {
                case "djl" -> startDjl(null);
                case "javacpp" -> Loader.load(torch.class);
                case "javacpp+djl" -> startDjl(Loader.load(torch.class));
                case "plain" -> NDManager.newBaseManager().close();
                case "version" -> Engine.getDjlVersion();
                case "both" -> startBoth();
                case "opencv" -> Loader.load(opencv_core.class);
                default -> throw new IllegalArgumentException(first);
            }
        }
        boolean djlStarted = MappedLibraries.read().first("libdjl_torch") != null;
        boolean gradMode = !djlStarted || JniUtils.isGradMode();
        int threads = djlStarted ? JniUtils.getNumThreads() : -1;
        LoadedTorch maps = LoadedTorch.ofMaps("libtorch_cpu.so");
        Map<String, String> before = properties();
        ClassLoader context = Thread.currentThread().getContextClassLoader();
        NativeReport report;
        try {
            report = Natives.start();
        } catch (NativeLibraryException e) {
            print("failure", e.getMessage().replace("\n", "\\n"));
            print("properties", properties().equals(before));
            return;
        }
        LoadedTorch bindings = LoadedTorch.ofBindings("libtorch_cpu.so");
        boolean all = LoadedTorch.ofMaps("libtorch_cpu.so").equals(bindings);
        print("detected", maps.djl() == djlStarted && all ? "true" : bindings);
        Natives.openCv();
        print("source", report.source());
        print("verified", report.verified());
        print("mapped", MappedLibraries.read().named("libtorch_cpu.so").size());
        print("gradMode", JniUtils.isGradMode() == gradMode);
        print("threads", threads < 0 || threads == JniUtils.getNumThreads());
        print("properties", properties().equals(before) ? "true" : before + " " + properties());
        print("context", context == Thread.currentThread().getContextClassLoader());
        print("again", Natives.start() == report);
        print("physical", org.bytedeco.javacpp.Pointer.maxPhysicalBytes());
        JniUtils.setGradMode(true);
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray x = manager.full(new Shape(2), 3f);
            x.setRequiresGradient(true);
            NDArray y = org.yoloddp.torch.TorchOps.relu(x).mul(x).sum();
            org.yoloddp.torch.Autograd.backward(y);
            print("gradient", x.getGradient().getFloat(1));
        }
        print("opencv", opencv_core.CV_8UC3);
    }

    /** DJL on one thread, yolo-ddp on another. */
    private static void startBoth() throws Exception {
        CyclicBarrier together = new CyclicBarrier(2);
        Thread other =
                new Thread(
                        () -> {
                            try {
                                together.await(10, TimeUnit.SECONDS);
                            } catch (Exception e) {
                                throw new IllegalStateException(e);
                            }
                            NDManager.newBaseManager().close();
                        });
        other.start();
        together.await(10, TimeUnit.SECONDS);
        Natives.start();
        other.join(60_000);
    }

    private static void startDjl(String binding) throws Exception {
        String folder = System.getProperty("test.libtorch");
        if (binding != null) {
            folder = java.nio.file.Path.of(binding).getParent().toString();
        }
        System.setProperty("PYTORCH_LIBRARY_PATH", folder);
        System.setProperty("PYTORCH_FLAVOR", "cpu");
        Engine.getInstance();
        System.clearProperty("PYTORCH_LIBRARY_PATH");
        System.clearProperty("PYTORCH_FLAVOR");
    }

    private static Map<String, String> properties() {
        Map<String, String> map = new TreeMap<>();
        System.getProperties()
                .forEach(
                        (key, value) -> {
                            String name = key.toString();
                            if (name.startsWith("PYTORCH_")
                                    || name.startsWith("org.bytedeco.javacpp.maxP")
                                    || name.startsWith("org.bytedeco.javacpp.pathsF")
                                    || name.equals("java.library.path")) {
                                map.put(name, value.toString());
                            }
                        });
        return map;
    }

    private static void print(String name, Object value) {
        System.out.println(name + "=" + value);
    }
}
