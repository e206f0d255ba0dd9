package org.yoloddp.torch;

import java.io.IOException;
import org.jspecify.annotations.Nullable;
import org.yoloddp.error.YoloDdpException;

/** A file in safetensors format is damaged, hostile, or lacks what is asked of it. */
public class SafetensorsException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    private SafetensorsException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }

    static SafetensorsException damaged(String file, String why) {
        return new SafetensorsException(file + " is no intact safetensors file: " + why, null);
    }

    static SafetensorsException unreadable(String file, IOException cause) {
        return new SafetensorsException(file + " cannot be read: " + cause, cause);
    }

    static SafetensorsException unwritable(String file, IOException cause) {
        return new SafetensorsException(file + " cannot be written: " + cause, cause);
    }

    static SafetensorsException noSuchTensor(String file, String name) {
        return new SafetensorsException(file + " has no tensor " + name, null);
    }

    static SafetensorsException wrongType(
            String file, String name, SafetensorsFile.Type type, String wanted) {
        return new SafetensorsException(
                "tensor " + name + " of " + file + " is of type " + type + ", not of " + wanted,
                null);
    }

    static SafetensorsException tooLarge(String file, String name, long bytes) {
        return new SafetensorsException(
                "tensor "
                        + name
                        + " of "
                        + file
                        + " has "
                        + bytes
                        + " bytes, more than a Java array can hold",
                null);
    }
}
