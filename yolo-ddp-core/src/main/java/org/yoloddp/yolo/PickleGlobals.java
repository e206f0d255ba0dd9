package org.yoloddp.yolo;

import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The globals that a checkpoint may name. Everything else is refused; those listed are only noted,
 * never looked up or called.
 */
final class PickleGlobals {

    static final String ORDERED_DICT = "collections OrderedDict";
    static final String REBUILD_TENSOR = "torch._utils _rebuild_tensor_v2";
    static final String REBUILD_PARAMETER = "torch._utils _rebuild_parameter";

    private static final Set<String> NAMES =
            Set.of(
                    ORDERED_DICT,
                    REBUILD_TENSOR,
                    REBUILD_PARAMETER,
                    "__builtin__ set",
                    "builtins set",
                    "_codecs encode",
                    "numpy dtype",
                    "numpy.core.multiarray scalar",
                    "numpy._core.multiarray scalar",
                    "pathlib PosixPath",
                    "pathlib WindowsPath",
                    "pathlib PurePosixPath",
                    "pathlib PureWindowsPath",
                    "torch Size",
                    "models.yolo Model",
                    "models.yolo DetectionModel",
                    "models.yolo Detect");

    private static final Set<String> COMMON =
            Set.of(
                    "Conv",
                    "DWConv",
                    "Bottleneck",
                    "BottleneckCSP",
                    "C3",
                    "SPP",
                    "SPPF",
                    "Focus",
                    "Concat");

    private static final Set<String> MODULES =
            Set.of(
                    "container Sequential",
                    "container ModuleList",
                    "conv Conv2d",
                    "batchnorm BatchNorm2d",
                    "activation SiLU",
                    "activation ReLU",
                    "activation LeakyReLU",
                    "activation Hardswish",
                    "linear Identity",
                    "pooling MaxPool2d",
                    "upsampling Upsample");

    private PickleGlobals() {}

    static boolean allowed(String global) {
        return NAMES.contains(global)
                || storage(global) != null
                || memberOf(global, "models.common ", COMMON)
                || memberOf(global, "torch.nn.modules.", MODULES);
    }

    static @Nullable StorageType storage(String global) {
        for (StorageType type : StorageType.values()) {
            if (type.global().equals(global)) {
                return type;
            }
        }
        return null;
    }

    private static boolean memberOf(String global, String prefix, Set<String> members) {
        return global.startsWith(prefix) && members.contains(global.substring(prefix.length()));
    }
}
