package org.yoloddp.examples;

import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.util.List;

/** Draws boxes onto an image: true ones dashed, detected ones solid and labelled. */
final class BoxPainter {

    private static final int[] PALETTE = {
        0xff3838, 0x00c2ff, 0x48f90a, 0xff9d97, 0x344593, 0xffb21d, 0x92cc17, 0xff95c8, 0x00d4bb,
        0x520085
    };

    /**
     * A box to draw.
     *
     * @param label the text at its upper edge; empty for none
     * @param classIndex decides the colour
     */
    record Box(float x1, float y1, float x2, float y2, int classIndex, String label) {}

    private boolean writes = true;

    BufferedImage draw(BufferedImage image, List<Box> truth, List<Box> detected) {
        BufferedImage copy =
                new BufferedImage(image.getWidth(), image.getHeight(), BufferedImage.TYPE_INT_RGB);
        Graphics2D graphics = copy.createGraphics();
        try {
            graphics.drawImage(image, 0, 0, null);
            float width = Math.max(1, Math.round((image.getWidth() + image.getHeight()) / 500f));
            graphics.setStroke(
                    new BasicStroke(
                            width,
                            BasicStroke.CAP_BUTT,
                            BasicStroke.JOIN_MITER,
                            10,
                            new float[] {4 * width, 3 * width},
                            0));
            truth.forEach(box -> outline(graphics, box, Color.WHITE));
            graphics.setStroke(new BasicStroke(width));
            detected.forEach(box -> outline(graphics, box, colour(box.classIndex)));
            detected.forEach(box -> label(graphics, box));
        } finally {
            graphics.dispose();
        }
        return copy;
    }

    private static void outline(Graphics2D graphics, Box box, Color colour) {
        graphics.setColor(colour);
        graphics.drawRect(
                Math.round(box.x1),
                Math.round(box.y1),
                Math.round(box.x2 - box.x1),
                Math.round(box.y2 - box.y1));
    }

    private void label(Graphics2D graphics, Box box) {
        if (box.label.isEmpty() || !writes) {
            return;
        }
        try {
            graphics.setFont(graphics.getFont().deriveFont(11f));
            int width = graphics.getFontMetrics().stringWidth(box.label) + 2;
            int x = Math.max(0, Math.round(box.x1));
            int y = Math.max(12, Math.round(box.y1));
            graphics.setColor(colour(box.classIndex));
            graphics.fillRect(x, y - 12, width, 12);
            graphics.setColor(Color.BLACK);
            graphics.drawString(box.label, x + 1, y - 2);
        } catch (RuntimeException | LinkageError e) {
            // A JDK without fonts; the colours still tell the classes apart.
            writes = false;
        }
    }

    private static Color colour(int classIndex) {
        return new Color(PALETTE[Math.floorMod(classIndex, PALETTE.length)]);
    }
}
