package dev.moe4j.text.source;

import dev.moe4j.text.DataException;

/**
 * Where text comes from.
 *
 * @param source the input as it was named: a folder, an archive or a file
 * @param path the file's path inside it with {@code /} between components, or its name if the input is the file; from
 *     an archive it is whatever the archive says, so never a path to open, and stands
 *     behind the archive's own path and {@code !} if a pattern matched that
 */
public record TextFile(String source, String path) {

    /**
     * What the file belongs to: the first component of its path, in its archive if that has folders, as {@code java.base}
     * in the JDK's sources, or, without a folder, its name up to the first dot, as {@code wikipedia} for {@code
     * wikipedia.txt.zst}.
     */
    public String group() {
        int inside = path.indexOf('!') + 1;
        int folder = path.indexOf('/', inside);
        if (inside > 0 && folder > inside) {
            return path.substring(inside, folder);
        }
        int slash = path.indexOf('/');
        if (slash > 0) {
            return path.substring(0, slash);
        }
        int dot = path.indexOf('.', 1);
        return dot > 0 ? path.substring(0, dot) : path;
    }

    /** The file for a message, in one line. */
    @Override
    public String toString() {
        return DataException.oneLine(source.equals(path) || source.endsWith("/" + path) ? source : source + "!" + path);
    }
}
