package org.yoloddp.natives;

import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Starts the natives in two class loaders of one JVM, as a redeployment does. */
final class TwoClassLoaders {

    private TwoClassLoaders() {}

    public static void main(String[] arguments) throws Exception {
        List<URL> path = new ArrayList<>();
        for (String entry :
                System.getProperty("java.class.path").split(java.io.File.pathSeparator)) {
            path.add(Path.of(entry).toUri().toURL());
        }
        for (int i = 0; i < 2; i++) {
            URLClassLoader loader =
                    new URLClassLoader(
                            path.toArray(new URL[0]), ClassLoader.getPlatformClassLoader());
            try {
                Class<?> natives = loader.loadClass("org.yoloddp.natives.Natives");
                natives.getMethod("start").invoke(null);
                System.out.println("loader" + i + "=ok");
            } catch (java.lang.reflect.InvocationTargetException e) {
                System.out.println("loader" + i + "=" + e.getCause());
            }
        }
    }
}
