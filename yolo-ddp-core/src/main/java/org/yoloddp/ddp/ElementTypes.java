package org.yoloddp.ddp;

import org.yoloddp.comm.DType;
import org.yoloddp.torch.StateDict;

/** What collectives call the element types of arrays. */
final class ElementTypes {

    private ElementTypes() {}

    static DType of(StateDict.Entry entry) {
        return switch (entry.array().getDataType()) {
            case FLOAT16 -> DType.F16;
            case BFLOAT16 -> DType.BF16;
            case FLOAT32 -> DType.F32;
            case FLOAT64 -> DType.F64;
            case INT32 -> DType.I32;
            case INT64 -> DType.I64;
            case UINT8, INT8, BOOLEAN -> DType.U8;
            default ->
                    throw UnsupportedElementTypeException.of(
                            entry.name(), entry.array().getDataType());
        };
    }
}
