package dev.moe4j.text.source;

import dev.moe4j.text.DataException;

/**
 * Identifies a file of the input.
 *
 * @param source the input as the user named it: a folder, an archive, a file or a pattern
 * @param path the path of the file inside the input, with {@code /} between components. If the input is the file itself,
 *     this is its name. For a file in an archive, this is the entry name, which is untrusted and must never be opened as
 *     a path. If a pattern matched the archive, the archive's path and {@code !} precede the entry name.
 */
public record TextFile(String source, String path) {

    /**
     * Returns the group of the file, for example its data source. This is the first folder of the path (in the archive, if
     * the entry has a folder), such as {@code java.base} in the JDK's sources. Without a folder, this is the file name up
     * to the first dot, such as {@code wikipedia} for {@code wikipedia.txt.zst}.
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

    /** Returns the file for use in a message, on one line. */
    @Override
    public String toString() {
        return DataException.oneLine(source.equals(path) || source.endsWith("/" + path) ? source : source + "!" + path);
    }
}
