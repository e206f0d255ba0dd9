package org.yoloddp.yolo;

import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import org.yoloddp.error.YoloDdpException;

/** A file of weights that cannot be read, or that does not fit the model. */
public class WeightsException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    WeightsException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }

    static WeightsException unreadable(Path file, Exception cause) {
        return new WeightsException(
                "cannot read weights " + file + ": " + cause.getMessage(), cause);
    }

    static WeightsException notAnArchive(Path file, @Nullable Throwable cause) {
        return new WeightsException(
                file
                        + " is not a whole ZIP archive as torch.save writes it: it is truncated, of"
                        + " another format, or older than PyTorch 1.6. Download it again, or save it"
                        + " again with a current PyTorch",
                cause);
    }

    static WeightsException badEntry(Path file, String entry, String what) {
        return new WeightsException(
                file + ": archive entry " + entry + " " + what + "; the file is damaged or forged",
                null);
    }

    static WeightsException forbiddenGlobal(Path file, String global, long position) {
        return new WeightsException(
                file
                        + ": data.pkl asks for "
                        + global
                        + " at byte "
                        + position
                        + ", which is not on the list of what a YOLOv5 checkpoint needs. Nothing was"
                        + " executed; don't open this file with PyTorch unless you trust its source",
                null);
    }

    static WeightsException badPickle(Path file, String what, long position) {
        return new WeightsException(
                file + ": data.pkl is malformed at byte " + position + ": " + what, null);
    }

    static WeightsException badStructure(Path file, String what) {
        return new WeightsException(file + " does not hold a YOLOv5 checkpoint: " + what, null);
    }

    static WeightsException badTensor(Path file, String tensor, String what) {
        return new WeightsException(file + ": tensor " + tensor + " " + what, null);
    }

    static WeightsException missing(Path file, List<String> names) {
        return new WeightsException(
                String.format(
                        Locale.ROOT,
                        "%s lacks %d of the model's tensors, or has them in another shape: %s. Was"
                                + " it made with another model or number of classes?",
                        file,
                        names.size(),
                        names.size() > 5 ? names.subList(0, 5) + "…" : names),
                null);
    }

    static WeightsException unusable(Path file, String what) {
        return new WeightsException(file + ": " + what, null);
    }

    static WeightsException unknownModel(Path file) {
        return new WeightsException(
                file
                        + " does not say which model it belongs to, and fits none of yolov5n, s, m, l,"
                        + " x; give the model",
                null);
    }
}
