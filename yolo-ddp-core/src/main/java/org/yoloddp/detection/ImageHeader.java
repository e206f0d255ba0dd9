package org.yoloddp.detection;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;

/**
 * The size of an image as OpenCV decodes it, without decoding it.
 *
 * @param width after the rotation that EXIF asks for
 * @param height after that rotation
 * @param truncated whether a JPEG lacks its end
 */
record ImageHeader(int width, int height, boolean truncated) {

    private static final int HEAD = 32;
    private static final long PNG = 0x89504E470D0A1A0AL;
    private static final int PNG_END = 0x49454E44;
    private static final int PNG_EXIF = 0x65584966;
    private static final int ORIENTATION = 274;

    /** A file that is no image, or a damaged one. */
    static final class BadImage extends Exception {

        private static final long serialVersionUID = 1L;

        BadImage(String message) {
            super(message);
        }
    }

    static ImageHeader read(Path path) throws IOException, BadImage {
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "r")) {
            ByteBuffer head = at(file, 0, (int) Math.min(HEAD, file.length()));
            if (head.limit() < HEAD) {
                throw new BadImage("only " + file.length() + " bytes, which is no image");
            }
            if (head.getShort(0) == (short) 0xFFD8) {
                return jpeg(file);
            }
            if (head.getLong(0) == PNG) {
                return png(file, head.getInt(16), head.getInt(20));
            }
            head.order(ByteOrder.LITTLE_ENDIAN);
            if (head.getShort(0) == 0x4D42) {
                return new ImageHeader(head.getInt(18), Math.abs(head.getInt(22)), false);
            }
            if (head.getInt(0) == 0x46464952 && head.getInt(8) == 0x50424557) {
                return webp(head);
            }
            if (head.getShort(0) == 0x4949 || head.getShort(0) == 0x4D4D) {
                return tiff(file);
            }
            throw new BadImage("neither BMP, JPEG, PNG, TIFF nor WebP");
        } catch (IndexOutOfBoundsException | IllegalArgumentException e) {
            throw new BadImage("damaged header");
        }
    }

    private static ImageHeader jpeg(RandomAccessFile file) throws IOException, BadImage {
        int orientation = 1;
        long position = 2;
        long length = file.length();
        while (position + 4 <= length) {
            ByteBuffer segment = at(file, position, 4);
            int marker = segment.getShort(0) & 0xFFFF;
            if (marker == 0xFFFF) {
                position++; // fill byte
                continue;
            }
            if (marker >>> 8 != 0xFF) {
                break;
            }
            int size = segment.getShort(2) & 0xFFFF;
            if (isFrame(marker)) {
                ByteBuffer frame = at(file, position + 5, 4);
                int height = frame.getShort(0) & 0xFFFF;
                int width = frame.getShort(2) & 0xFFFF;
                boolean ended = at(file, length - 2, 2).getShort(0) == (short) 0xFFD9;
                return rotated(width, height, orientation, !ended);
            }
            if (marker == 0xFFE1 && size > 16) {
                ByteBuffer exif = at(file, position + 4, size - 2);
                if (exif.getInt(0) == 0x45786966) {
                    orientation = orientation(exif.slice(6, exif.limit() - 6));
                }
            }
            position += 2 + size;
        }
        throw new BadImage("JPEG without an image in it");
    }

    private static boolean isFrame(int marker) {
        return marker >= 0xFFC0
                && marker <= 0xFFCF
                && marker != 0xFFC4
                && marker != 0xFFC8
                && marker != 0xFFCC;
    }

    private static ImageHeader png(RandomAccessFile file, int width, int height)
            throws IOException, BadImage {
        int orientation = 1;
        long position = 8;
        while (position + 12 <= file.length()) {
            ByteBuffer chunk = at(file, position, 8);
            long size = chunk.getInt(0) & 0xFFFFFFFFL;
            if (chunk.getInt(4) == PNG_END) {
                return rotated(width, height, orientation, false);
            }
            if (chunk.getInt(4) == PNG_EXIF) {
                orientation = orientation(at(file, position + 8, (int) size));
            }
            position += 12 + size;
        }
        throw new BadImage("PNG without an end; it is truncated");
    }

    private static ImageHeader webp(ByteBuffer head) throws BadImage {
        return switch (head.getInt(12)) {
            case 0x20385056 ->
                    new ImageHeader(head.getShort(26) & 0x3FFF, head.getShort(28) & 0x3FFF, false);
            case 0x4C385056 -> {
                int bits = head.getInt(21);
                yield new ImageHeader((bits & 0x3FFF) + 1, (bits >>> 14 & 0x3FFF) + 1, false);
            }
            case 0x58385056 ->
                    new ImageHeader(
                            (head.getInt(24) & 0xFFFFFF) + 1,
                            (head.getInt(26) >>> 8 & 0xFFFFFF) + 1,
                            false);
            default -> throw new BadImage("damaged WebP header");
        };
    }

    private static ImageHeader tiff(RandomAccessFile file) throws IOException, BadImage {
        ByteBuffer head = at(file, 0, 8);
        head.order(head.get(0) == 'I' ? ByteOrder.LITTLE_ENDIAN : ByteOrder.BIG_ENDIAN);
        long offset = head.getInt(4) & 0xFFFFFFFFL;
        ByteBuffer count = at(file, offset, 2).order(head.order());
        ByteBuffer table =
                at(file, offset, 2 + 12 * (count.getShort(0) & 0xFFFF)).order(head.order());
        int width = tag(table, 0, 256, 0);
        int height = tag(table, 0, 257, 0);
        if (width == 0 || height == 0) {
            throw new BadImage("TIFF without a size");
        }
        return new ImageHeader(width, height, false);
    }

    /** EXIF data is a TIFF without an image. */
    private static int orientation(ByteBuffer exif) {
        exif.order(exif.get(0) == 'I' ? ByteOrder.LITTLE_ENDIAN : ByteOrder.BIG_ENDIAN);
        return tag(exif, exif.getInt(4), ORIENTATION, 1);
    }

    private static int tag(ByteBuffer tiff, int table, int wanted, int otherwise) {
        int entries = tiff.getShort(table) & 0xFFFF;
        for (int i = 0; i < entries; i++) {
            int entry = table + 2 + 12 * i;
            if ((tiff.getShort(entry) & 0xFFFF) == wanted) {
                boolean isShort = tiff.getShort(entry + 2) == 3;
                return isShort ? tiff.getShort(entry + 8) & 0xFFFF : tiff.getInt(entry + 8);
            }
        }
        return otherwise;
    }

    /** Orientations 5 to 8 turn by a quarter. */
    private static ImageHeader rotated(int width, int height, int orientation, boolean truncated) {
        boolean turned = orientation >= 5 && orientation <= 8;
        return new ImageHeader(turned ? height : width, turned ? width : height, truncated);
    }

    private static ByteBuffer at(RandomAccessFile file, long position, int length)
            throws IOException, BadImage {
        if (position < 0 || position + length > file.length()) {
            throw new BadImage("truncated header");
        }
        byte[] bytes = new byte[length];
        file.seek(position);
        file.readFully(bytes);
        return ByteBuffer.wrap(bytes);
    }
}
