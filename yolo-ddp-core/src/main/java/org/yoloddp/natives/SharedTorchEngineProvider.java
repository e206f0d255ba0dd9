package org.yoloddp.natives;

import ai.djl.engine.Engine;
import ai.djl.engine.EngineException;
import ai.djl.engine.EngineProvider;
import ai.djl.pytorch.engine.PtEngineProvider;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.util.cuda.CudaUtils;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.error.YoloDdpException;

/**
 * Lets an application start DJL before yolo-ddp without a native jar of DJL on the class path: DJL
 * would download a libtorch then, though the binding's jar has one. DJL finds this class by itself;
 * applications don't use it.
 *
 * <p>It stands in for DJL's own provider of the engine PyTorch, under the same name and rank, and
 * gives DJL's own engine: all that differs is where libtorch comes from. DJL makes its providers
 * when its class {@code Engine} is initialised, which may be long before an engine is wanted, by
 * any thread; so nothing is loaded, and no lock taken, until the first engine is asked for.
 *
 * <p>DJL is left alone if the user has chosen a libtorch (a native jar of DJL, {@code
 * PYTORCH_LIBRARY_PATH}, {@code PYTORCH_VERSION} or {@code PYTORCH_FLAVOR} as environment variable
 * or system property, {@value LibtorchSource#PROPERTY} other than {@code javacpp}), and on machines
 * with CUDA, where DJL downloads one for the GPU.
 */
public final class SharedTorchEngineProvider implements EngineProvider {

    private static final Logger logger = LoggerFactory.getLogger(SharedTorchEngineProvider.class);

    private static final String[] CHOICES = {
        "PYTORCH_LIBRARY_PATH", "PYTORCH_VERSION", "PYTORCH_FLAVOR"
    };

    private final PtEngineProvider original = new PtEngineProvider();
    private volatile @Nullable Engine engine;

    /** Takes the place of DJL's provider if that came first; does nothing else. */
    public SharedTorchEngineProvider() {
        try {
            // the set is a view of DJL's map, in which the first of a name stays
            Engine.getAllEngines().remove(original.getEngineName());
            Engine.registerEngine(this);
        } catch (RuntimeException | LinkageError e) {
            logger.debug("DJL's providers can't be changed, so DJL finds libtorch by itself", e);
        }
    }

    @Override
    public String getEngineName() {
        return original.getEngineName();
    }

    @Override
    public int getEngineRank() {
        return original.getEngineRank();
    }

    /**
     * Returns DJL's PyTorch engine, on the libtorch of the binding's jar unless the user has chosen
     * another.
     *
     * @return DJL's own engine
     * @throws EngineException if libtorch is loaded, but DJL can't start on it
     */
    @Override
    public Engine getEngine() {
        Engine made = engine;
        if (made == null) {
            prepare();
            made = original.getEngine();
            engine = made;
        }
        return made;
    }

    private static void prepare() {
        if (Natives.isStarting() || Natives.isStarted()) {
            return;
        }
        String reason = reasonToLeaveDjlAlone(SharedTorchEngineProvider::environment);
        if (reason != null) {
            logger.debug("DJL finds libtorch by itself: {}", reason);
            return;
        }
        try {
            Natives.start();
            // as DJL leaves the thread that starts it
            JniUtils.setGradMode(false);
        } catch (YoloDdpException e) {
            if (JavaCpp.hasLoaded("jnitorch")) {
                // DJL would load a second libtorch, which aborts the JVM
                throw new EngineException(e.getMessage(), e);
            }
            logger.warn("DJL finds libtorch by itself, since yolo-ddp could not load it", e);
        }
    }

    static @Nullable String reasonToLeaveDjlAlone(Function<String, @Nullable String> environment) {
        for (String name : CHOICES) {
            if (environment.apply(name) != null) {
                return name + " is set";
            }
        }
        String source = System.getProperty(LibtorchSource.PROPERTY);
        if (source != null && !source.equals(LibtorchSource.javacpp().toString())) {
            return LibtorchSource.PROPERTY + " is " + source;
        }
        ClassLoader loader = SharedTorchEngineProvider.class.getClassLoader();
        if (loader.getResource("native/lib/pytorch.properties") != null) {
            return "a native jar of DJL is on the class path";
        }
        return source == null && CudaUtils.hasCuda() ? "there is CUDA" : null;
    }

    private static @Nullable String environment(String name) {
        String value = System.getenv(name);
        return value != null ? value : System.getProperty(name);
    }
}
