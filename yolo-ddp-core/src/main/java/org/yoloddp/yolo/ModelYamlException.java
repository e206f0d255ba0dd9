package org.yoloddp.yolo;

import org.jspecify.annotations.Nullable;
import org.yoloddp.error.YoloDdpException;

/** A model description that cannot be read or built; the message names the file and the row. */
public class ModelYamlException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    private ModelYamlException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }

    static ModelYamlException unreadable(String source, Exception cause) {
        return new ModelYamlException(
                "cannot read the model " + source + ": " + cause.getMessage(), cause);
    }

    static ModelYamlException unknownModel(String name) {
        return new ModelYamlException(
                "no model "
                        + name
                        + ": give one of yolov5n, yolov5s, yolov5m, yolov5l, yolov5x, or the path of"
                        + " an existing model yaml",
                null);
    }

    static ModelYamlException bad(String source, String what) {
        return new ModelYamlException("model " + source + ": " + what, null);
    }

    static ModelYamlException badRow(String source, int row, Object content, String what) {
        return new ModelYamlException(
                "model " + source + ", row " + row + " " + content + ": " + what, null);
    }
}
