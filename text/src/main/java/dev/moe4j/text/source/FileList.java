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
 * The regular files of some inputs, in order. Links are followed; loops are noticed.
 *
 * @param sources the inputs as they were named, in order, each once
 * @param passedOver what is no regular file, and why it is left out
 * @param unreadable what could not be listed; an error, or left out, when the text is read
 */
public record FileList(
        List<Item> items,
        Set<String> sources,
        Map<TextFile, Skipped.Reason> passedOver,
        Map<Path, IOException> unreadable) {
    /** Standard input where a path stands; a file of that name is {@code ./-}. */
    static final Path STANDARD_INPUT = Path.of("-");

    private static final String CHECK = "check the path and its permissions";
    private static final Pattern GLOB = Pattern.compile("[*?\\[{]");

    /**
     * A file to read.
     *
     * @param named whether the file itself was named as an input, not a folder that it is in
     * @param bytes its length; 0 for standard input
     * @param modified its time of last change, in milliseconds
     */
    public record Item(TextFile file, Path path, boolean named, long bytes, long modified) {
        public boolean isStandardInput() {
            return path.equals(STANDARD_INPUT);
        }

        /** Whether an input is this very file, and not a folder or a pattern that it was found by. */
        private boolean isInput() {
            return file.source().equals(path.toString());
        }

        /**
         * A file in this archive. A pattern may match many archives that have files of one name, so the archive's path
         * is a part of theirs.
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

    /** Of names as a command line has them, with patterns among them. */
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

    /** Whether a name with characters of a pattern is that of a file. */
    private static boolean exists(String name) {
        try {
            return Files.exists(Path.of(name), LinkOption.NOFOLLOW_LINKS);
        } catch (InvalidPathException e) {
            return false; // Windows has no files with such names
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
     * A pattern in two parts.
     *
     * @param folder the part before the first component with a pattern's character, with a slash at its end; empty for
     *     the working folder
     * @param below the rest, with slashes between its components
     */
    record SplitPattern(String folder, String below) {
        /**
         * Splits a pattern.
         *
         * @param separator the system's separator of path components. Where that is a backslash, slashes separate too;
         *     elsewhere a backslash makes the character after it plain.
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
            throw new DataException("standard input can be read but once; give - one time");
        }
        return this;
    }

    /** Files that a pattern matches count as named, so archives among them are read. */
    private void addPattern(String pattern) {
        SplitPattern split = SplitPattern.of(pattern, File.separatorChar);
        Path base = path(split.folder.isEmpty() ? "." : split.folder);
        String below = split.below;
        PathMatcher matcher;
        try {
            // As shells have it, ** stands for no folder too.
            matcher = base.getFileSystem().getPathMatcher("glob:" + below.replace("**/", "{**/,}"));
        } catch (PatternSyntaxException e) {
            throw new DataException(
                    "the pattern " + pattern + " is wrong: " + DataException.oneLine(e.getDescription())
                            + "; mend it, or give the path",
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
        // Another input may have met the same folders.
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

    /** Whether a pattern can match a path or something in it: its first components match, up to a {@code **}. */
    static boolean mayReach(String pattern, Path path) {
        String[] components = pattern.split("/", -1);
        for (int i = 0; i < path.getNameCount(); i++) {
            if (i == components.length) {
                return false;
            }
            boolean cut = components[i].lastIndexOf('{') > components[i].lastIndexOf('}'); // braces across components
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
                    } else if (!attributes.isDirectory()) { // one at the last depth is visited like a file
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

    /** Without what was found in those folders; a file that is an input itself stays. */
    FileList outside(List<Path> folders) {
        List<Item> kept = items.stream()
                .filter(item -> item.isInput()
                        || folders.stream().noneMatch(item.path.toAbsolutePath().normalize()::startsWith))
                .toList();
        return new FileList(kept, sources, passedOver, unreadable);
    }

    /** What was left out of the list, counted. */
    Skipped skipped() {
        Skipped skipped = new Skipped();
        passedOver.forEach((file, reason) -> skipped.add(reason, file.toString()));
        return skipped;
    }

    /** The first file that is in the list twice as the same one, by its input and its path; empty if none is. */
    Optional<TextFile> twice() {
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
