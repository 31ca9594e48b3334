package dev.moe4j.text.source;

import dev.moe4j.text.DataException;
import java.io.File;
import java.io.IOException;
import java.nio.file.FileSystemLoopException;
import java.nio.file.FileVisitOption;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;

/**
 * Lists the regular files of the inputs, in reading order. Symbolic links are followed, and link loops are detected.
 *
 * @param items the files to read
 * @param sources the inputs as the user named them, in order, without repetition
 * @param passedOver everything that is not a regular file, with the reason for skipping it
 * @param unreadable paths that could not be listed; reading the text skips them or fails, depending on the options
 */
public record FileList(
        List<Item> items,
        Set<String> sources,
        Map<TextFile, Skipped.Reason> passedOver,
        Map<Path, IOException> unreadable) {
    /** The path that means standard input. A file with this name can be given as {@code ./-}. */
    static final Path STANDARD_INPUT = Path.of("-");

    private static final String CHECK = "check the path and its permissions";
    private static final Pattern GLOB = Pattern.compile("[*?\\[{]");

    /**
     * A file to read.
     *
     * @param named whether the user named the file, or a pattern that matches it, and not a folder that contains it
     * @param bytes the file size; 0 for standard input
     * @param modified the time of the last modification, in milliseconds since the epoch
     */
    public record Item(TextFile file, Path path, boolean named, long bytes, long modified) {
        /** Whether the item is standard input. */
        public boolean isStandardInput() {
            return path.equals(STANDARD_INPUT);
        }

        /** Whether the user named this very file, and not a folder or a pattern. */
        private boolean isInput() {
            return file.source().equals(path.toString());
        }

        /**
         * Returns a file in this archive. A pattern may match several archives with equally named files, so the archive's
         * path is then part of the file's path.
         */
        TextFile entry(String name) {
            return new TextFile(file.source(), isInput() ? name : file.path() + "!" + name);
        }
    }

    private FileList() {
        this(new ArrayList<>(), new LinkedHashSet<>(), new LinkedHashMap<>(), new LinkedHashMap<>());
    }

    static FileList of(List<Path> inputs) {
        FileList list = new FileList();
        for (Path input : inputs) {
            list.add(input);
        }
        return list.checked();
    }

    /** Lists the files of command-line arguments, which are paths or glob patterns. */
    static FileList ofNames(List<String> names) {
        FileList list = new FileList();
        for (String name : names) {
            if (GLOB.matcher(name).find() && !exists(name)) {
                list.addPattern(name);
            } else {
                list.add(path(name));
            }
        }
        return list.checked();
    }

    /** Whether a file exists under a name that looks like a pattern. */
    private static boolean exists(String name) {
        try {
            return Files.exists(Path.of(name), LinkOption.NOFOLLOW_LINKS);
        } catch (InvalidPathException e) {
            return false; // Windows does not allow such names
        }
    }

    private static Path path(String name) {
        try {
            return Path.of(name);
        } catch (InvalidPathException e) {
            throw new DataException(
                    "\"" + DataException.oneLine(name) + "\" is not a path: "
                            + DataException.oneLine(String.valueOf(e.getReason())) + "; check the path",
                    e);
        }
    }

    /**
     * A glob pattern, split into its literal folder and the rest.
     *
     * @param folder the components before the first one with a wildcard, with a trailing slash; empty for the working
     *     folder
     * @param below the remaining components, separated by slashes
     */
    record SplitPattern(String folder, String below) {
        /**
         * Splits a pattern.
         *
         * @param separator the system's path separator. If it is a backslash, slashes separate components too. Otherwise,
         *     a backslash escapes the next character.
         */
        static SplitPattern of(String pattern, char separator) {
            String slashes = separator == '\\' ? pattern.replace('\\', '/') : pattern;
            Matcher first = GLOB.matcher(slashes);
            int literal = first.find() ? slashes.lastIndexOf('/', first.start()) + 1 : 0;
            return new SplitPattern(slashes.substring(0, literal), slashes.substring(literal));
        }
    }

    private FileList checked() {
        if (sources.isEmpty()) {
            throw new DataException("no input; give folders, text files or zip archives");
        }
        if (items.stream().filter(Item::isStandardInput).count() > 1) {
            throw new DataException("standard input can be read only once; give - one time");
        }
        return this;
    }

    /** Adds the files that match a pattern. They count as named by the user, so archives among them are read. */
    private void addPattern(String pattern) {
        SplitPattern split = SplitPattern.of(pattern, File.separatorChar);
        Path base = path(split.folder.isEmpty() ? "." : split.folder);
        String below = split.below;
        PathMatcher matcher;
        try {
            // In shells, ** also matches zero folders.
            matcher = base.getFileSystem().getPathMatcher("glob:" + below.replace("**/", "{**/,}"));
        } catch (PatternSyntaxException e) {
            throw new DataException(
                    "the pattern " + pattern + " is wrong: " + DataException.oneLine(e.getDescription())
                            + "; correct it, or give the path",
                    e);
        }
        int depth = below.contains("**") ? Integer.MAX_VALUE : below.split("/", -1).length;
        FileList all = new FileList();
        all.addFolder(base, depth);
        int before = items.size();
        int passedBefore = passedOver.size();
        for (Item item : all.items) {
            if (matcher.matches(Path.of(item.file.path()))) {
                TextFile file = new TextFile(pattern, item.file.path());
                items.add(new Item(file, item.path, true, item.bytes, item.modified));
            }
        }
        // Counted separately, because another input may already have reported the same folders.
        Map<Path, IOException> closed = new LinkedHashMap<>();
        all.unreadable.forEach((path, e) -> {
            if (path.equals(base) || mayReach(below, base.relativize(path))) {
                closed.put(path, e);
            }
        });
        unreadable.putAll(closed);
        all.passedOver.forEach((file, reason) -> {
            if (matcher.matches(Path.of(file.path()))) {
                passedOver.put(new TextFile(pattern, file.path()), reason);
            }
        });
        if (items.size() == before && passedOver.size() == passedBefore && closed.isEmpty()) {
            throw new DataException("no file matches " + pattern + "; check the pattern");
        }
        sources.add(pattern);
    }

    /** Whether a pattern can match a path or a file below it: the first components match, up to a {@code **}. */
    static boolean mayReach(String pattern, Path path) {
        String[] components = pattern.split("/", -1);
        for (int i = 0; i < path.getNameCount(); i++) {
            if (i == components.length) {
                return false;
            }
            boolean cut = components[i].lastIndexOf('{') > components[i].lastIndexOf('}'); // braces span components
            if (components[i].contains("**") || cut) {
                return true;
            }
            if (!path.getFileSystem().getPathMatcher("glob:" + components[i]).matches(path.getName(i))) {
                return false;
            }
        }
        return true;
    }

    private void add(Path input) {
        sources.add(input.toString());
        if (input.equals(STANDARD_INPUT)) {
            items.add(new Item(new TextFile("-", "-"), input, true, 0, 0));
            return;
        }
        BasicFileAttributes attributes;
        try {
            attributes = Files.readAttributes(input, BasicFileAttributes.class);
        } catch (IOException e) {
            throw DataException.of("cannot read " + input, e, CHECK);
        }
        if (attributes.isDirectory()) {
            addFolder(input, Integer.MAX_VALUE);
        } else if (attributes.isRegularFile()) {
            TextFile file = new TextFile(input.toString(), String.valueOf(input.getFileName()));
            items.add(item(file, input, true, attributes));
        } else {
            throw new DataException(input + " is neither a folder nor a regular file; write its text to a file first");
        }
    }

    private static Item item(TextFile file, Path path, boolean named, BasicFileAttributes attributes) {
        return new Item(
                file,
                path,
                named,
                attributes.size(),
                attributes.lastModifiedTime().toMillis());
    }

    private void addFolder(Path folder, int depth) {
        List<Item> found = new ArrayList<>();
        int passedBefore = passedOver.size();
        Map<Path, IOException> closed = new LinkedHashMap<>();
        try {
            Files.walkFileTree(folder, EnumSet.of(FileVisitOption.FOLLOW_LINKS), depth, new SimpleFileVisitor<>() {
                @Override
                public FileVisitResult visitFile(Path path, BasicFileAttributes attributes) {
                    TextFile file = relative(folder, path);
                    if (attributes.isRegularFile()) {
                        found.add(item(file, path, false, attributes));
                    } else if (!attributes.isDirectory()) { // folders at the maximum depth are visited like files
                        passedOver.put(
                                file,
                                attributes.isSymbolicLink() ? Skipped.Reason.BROKEN_LINK : Skipped.Reason.SPECIAL);
                    }
                    return FileVisitResult.CONTINUE;
                }

                @Override
                public FileVisitResult visitFileFailed(Path path, IOException e) {
                    if (e instanceof FileSystemLoopException) {
                        passedOver.put(relative(folder, path), Skipped.Reason.LINK_LOOP);
                    } else {
                        closed.put(path, e);
                    }
                    return FileVisitResult.CONTINUE;
                }
            });
        } catch (IOException e) {
            throw DataException.of("cannot read " + folder, e, CHECK);
        }
        unreadable.putAll(closed);
        if (found.isEmpty() && passedOver.size() == passedBefore && closed.isEmpty()) {
            throw new DataException("the folder " + folder + " is empty; give one with text files");
        }
        found.sort(Comparator.comparing(item -> item.file().path()));
        items.addAll(found);
    }

    /** Returns the list without files found in the given folders. Files that the user named stay. */
    FileList outside(List<Path> folders) {
        List<Item> kept = items.stream()
                .filter(item -> item.isInput()
                        || folders.stream().noneMatch(item.path.toAbsolutePath().normalize()::startsWith))
                .toList();
        return new FileList(kept, sources, passedOver, unreadable);
    }

    /** Returns the counts of everything that is not a regular file. */
    Skipped skipped() {
        Skipped skipped = new Skipped();
        passedOver.forEach((file, reason) -> skipped.add(reason, file.toString()));
        return skipped;
    }

    /** Returns the first file that is listed twice with the same input and path; empty if there is none. */
    Optional<TextFile> firstDuplicate() {
        Set<TextFile> seen = new HashSet<>();
        return items.stream().map(Item::file).filter(file -> !seen.add(file)).findFirst();
    }

    private static TextFile relative(Path folder, Path path) {
        String name = StreamSupport.stream(folder.relativize(path).spliterator(), false)
                .map(Path::toString)
                .collect(Collectors.joining("/"));
        return new TextFile(folder.toString(), name);
    }
}
