package org.yoloddp.detection;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/**
 * Computes {@link DetectionMetrics} from detections and labels, image by image.
 *
 * <p>The order in which images are added makes no difference. Not thread-safe.
 */
public final class DetectionEvaluator {

    private static final double EPSILON = 1e-16;
    private static final int CONFIDENCE_POINTS = 1000;

    private final List<String> names;
    private final List<ImageStatistics> images = new ArrayList<>();

    /**
     * Creates an evaluator.
     *
     * @param classNames the names of the classes, by index
     */
    public DetectionEvaluator(List<String> classNames) {
        this.names = List.copyOf(classNames);
    }

    /**
     * Adds an image.
     *
     * @param image the image's number in the data set; breaks ties between equal confidences
     * @param detections what was detected, most confident first
     * @param labels the truth as rows of class, x1, y1, x2, y2, in the detections' pixels
     */
    public void add(int image, List<Detection> detections, float[][] labels) {
        add(ImageStatistics.of(image, detections, labels, names.size()));
    }

    void add(ImageStatistics statistics) {
        images.add(statistics);
    }

    List<ImageStatistics> images() {
        return images;
    }

    /**
     * Computes the metrics of all images added so far.
     *
     * @return the metrics
     */
    public DetectionMetrics metrics() {
        images.sort(Comparator.comparingInt(ImageStatistics::image));
        int[] labelCounts = new int[names.size()];
        int[] imageCounts = new int[names.size()];
        long[][] confusion = new long[names.size() + 1][names.size() + 1];
        int detections = 0;
        int labels = 0;
        boolean anyRight = false;
        for (ImageStatistics image : images) {
            detections += image.classes().length;
            labels += image.labels().length;
            boolean[] seen = new boolean[names.size()];
            for (int label : image.labels()) {
                labelCounts[label]++;
                imageCounts[label] += seen[label] ? 0 : 1;
                seen[label] = true;
            }
            for (int mask : image.truePositives()) {
                anyRight |= mask != 0;
            }
            for (int i = 0; i < image.confusion().length; i += 2) {
                confusion[image.confusion()[i]][image.confusion()[i + 1]]++;
            }
        }
        List<ClassCurve> curves = new ArrayList<>();
        if (anyRight) {
            for (int c = 0; c < names.size(); c++) {
                if (labelCounts[c] > 0) {
                    curves.add(ClassCurve.of(c, labelCounts[c], images));
                }
            }
        }
        List<ClassMetrics> classes = atBestF1(curves, imageCounts);
        List<List<Long>> rows = new ArrayList<>();
        for (long[] row : confusion) {
            rows.add(Arrays.stream(row).boxed().toList());
        }
        return new DetectionMetrics(
                images.size(),
                labels,
                detections,
                classes.stream().mapToDouble(ClassMetrics::precision).average().orElse(0),
                classes.stream().mapToDouble(ClassMetrics::recall).average().orElse(0),
                classes.stream().mapToDouble(ClassMetrics::map50).average().orElse(0),
                classes.stream().mapToDouble(ClassMetrics::map50To95).average().orElse(0),
                classes,
                rows);
    }

    private List<ClassMetrics> atBestF1(List<ClassCurve> curves, int[] imageCounts) {
        if (curves.isEmpty()) {
            return List.of();
        }
        double[] mean = new double[CONFIDENCE_POINTS];
        for (int k = 0; k < CONFIDENCE_POINTS; k++) {
            for (ClassCurve curve : curves) {
                mean[k] += curve.f1(k);
            }
            mean[k] /= curves.size();
        }
        double[] smoothed = AveragePrecision.smooth(mean, 0.1);
        int best = 0;
        for (int k = 1; k < smoothed.length; k++) {
            if (smoothed[k] > smoothed[best]) {
                best = k;
            }
        }
        List<ClassMetrics> result = new ArrayList<>();
        for (ClassCurve curve : curves) {
            double p = curve.precision[best];
            double r = curve.recall[best];
            double right = Math.rint(r * curve.labels);
            double wrong = Math.rint(right / (p + EPSILON) - right);
            int c = curve.classIndex;
            result.add(
                    new ClassMetrics(
                            c,
                            names.get(c),
                            imageCounts[c],
                            curve.labels,
                            right,
                            wrong,
                            p,
                            r,
                            curve.f1(best),
                            curve.averagePrecision));
        }
        return result;
    }

    /** Precision and recall of a class at 1000 confidences, and its average precisions. */
    private record ClassCurve(
            int classIndex,
            int labels,
            double[] precision,
            double[] recall,
            List<Double> averagePrecision) {

        static ClassCurve of(int classIndex, int labels, List<ImageStatistics> images) {
            List<Ranked> ranked = new ArrayList<>();
            for (ImageStatistics image : images) {
                for (int d = 0; d < image.classes().length; d++) {
                    if (image.classes()[d] == classIndex) {
                        ranked.add(new Ranked(image.confidences()[d], image.truePositives()[d]));
                    }
                }
            }
            // stable, so equal confidences stay in order of (image, row)
            ranked.sort(Comparator.comparingDouble(Ranked::key));
            double[] precision = new double[CONFIDENCE_POINTS];
            double[] recall = new double[CONFIDENCE_POINTS];
            List<Double> areas = new ArrayList<>();
            for (int t = 0; t < BoxMatcher.THRESHOLDS; t++) {
                areas.add(ranked.isEmpty() ? 0.0 : curve(ranked, labels, t, precision, recall));
            }
            return new ClassCurve(classIndex, labels, precision, recall, areas);
        }

        /** Returns the area; fills in the curves at the first threshold. */
        private static double curve(
                List<Ranked> ranked, int labels, int t, double[] precision, double[] recall) {
            int n = ranked.size();
            double[] keys = new double[n];
            double[] r = new double[n];
            double[] p = new double[n];
            int right = 0;
            for (int i = 0; i < n; i++) {
                right += ranked.get(i).mask >> t & 1;
                keys[i] = ranked.get(i).key();
                r[i] = right / (labels + EPSILON);
                p[i] = (double) right / (i + 1);
            }
            for (int k = 0; k < CONFIDENCE_POINTS && t == 0; k++) {
                double x = -AveragePrecision.gridPoint(k, CONFIDENCE_POINTS);
                recall[k] = AveragePrecision.interpolate(x, keys, r, 0);
                precision[k] = AveragePrecision.interpolate(x, keys, p, 1);
            }
            return AveragePrecision.area(r, p);
        }

        double f1(int k) {
            return 2 * precision[k] * recall[k] / (precision[k] + recall[k] + EPSILON);
        }
    }

    /** A detection; sorted by falling confidence. */
    private record Ranked(float confidence, int mask) {

        double key() {
            return -confidence;
        }
    }
}
