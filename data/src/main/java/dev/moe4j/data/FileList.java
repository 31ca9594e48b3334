package dev.moe4j.data;

import java.io.IOException;
import java.nio.file.FileSystemLoopException;
import java.nio.file.FileVisitOption;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;

/** The regular files of some inputs, in order. Links are followed; loops are noticed. */
record FileList(List<Item> items, Skipped skipped) {
    private static final String CHECK = "check the path and its permissions";

    /**
     * A file to read.
     *
     * @param named whether the file itself was named as an input, not a folder that it is in
     */
    record Item(TextFile file, Path path, boolean named, long bytes) {}

    static FileList of(List<Path> inputs) {
        if (inputs.isEmpty()) {
            throw new DataException("no input; give folders, text files or zip archives");
        }
        FileList list = new FileList(new ArrayList<>(), new Skipped());
        for (Path input : inputs) {
            list.add(input);
        }
        return list;
    }

    private void add(Path input) {
        BasicFileAttributes attributes;
        try {
            attributes = Files.readAttributes(input, BasicFileAttributes.class);
        } catch (IOException e) {
            throw DataException.of("cannot read " + input, e, CHECK);
        }
        if (attributes.isDirectory()) {
            addFolder(input);
        } else if (attributes.isRegularFile()) {
            TextFile file = new TextFile(input.toString(), String.valueOf(input.getFileName()));
            items.add(new Item(file, input, true, attributes.size()));
        } else {
            throw new DataException(input + " is neither a folder nor a regular file; write its text to a file first");
        }
    }

    private void addFolder(Path folder) {
        List<Item> found = new ArrayList<>();
        long skippedBefore = skipped.total();
        try {
            Files.walkFileTree(
                    folder, EnumSet.of(FileVisitOption.FOLLOW_LINKS), Integer.MAX_VALUE, new SimpleFileVisitor<>() {
                        @Override
                        public FileVisitResult visitFile(Path path, BasicFileAttributes attributes) {
                            TextFile file = relative(folder, path);
                            if (attributes.isRegularFile()) {
                                found.add(new Item(file, path, false, attributes.size()));
                            } else {
                                skipped.add(
                                        attributes.isSymbolicLink()
                                                ? Skipped.Reason.BROKEN_LINK
                                                : Skipped.Reason.SPECIAL,
                                        file);
                            }
                            return FileVisitResult.CONTINUE;
                        }

                        @Override
                        public FileVisitResult visitFileFailed(Path path, IOException e) {
                            if (e instanceof FileSystemLoopException) {
                                skipped.add(Skipped.Reason.LINK_LOOP, relative(folder, path));
                                return FileVisitResult.CONTINUE;
                            }
                            throw DataException.of("cannot read " + path, e, CHECK);
                        }
                    });
        } catch (IOException e) {
            throw DataException.of("cannot read " + folder, e, CHECK);
        }
        if (found.isEmpty() && skipped.total() == skippedBefore) {
            throw new DataException("the folder " + folder + " is empty; give one with text files");
        }
        found.sort(Comparator.comparing(item -> item.file().path()));
        items.addAll(found);
    }

    private static TextFile relative(Path folder, Path path) {
        String name = StreamSupport.stream(folder.relativize(path).spliterator(), false)
                .map(Path::toString)
                .collect(Collectors.joining("/"));
        return new TextFile(folder.toString(), name);
    }
}
