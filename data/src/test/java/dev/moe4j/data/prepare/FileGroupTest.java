package dev.moe4j.data.prepare;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.text.source.FileList;
import dev.moe4j.text.source.TextFile;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FileGroupTest {

    private static FileList.Item item(String name, long bytes) {
        return new FileList.Item(new TextFile(name, name), Path.of(name), true, bytes, 0);
    }

    private static List<FileList.Item> items(List<FileGroup> groups) {
        return groups.stream().flatMap(group -> group.items().stream()).toList();
    }

    @Test
    void aGroupHasAsManyFilesAsFit() {
        List<FileGroup> groups = FileGroup.of(
                Stream.of(4L, 5L, 3L, 20L, 1L)
                        .map(bytes -> item("f" + bytes, bytes))
                        .toList(),
                10);
        assertThat(groups.stream().map(group -> group.items().size())).containsExactly(2, 1, 1, 1);
    }

    /** Standard input, whose length is unknown, follows more files than fit into a group. */
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3})
    void everyFileIsInOneShare(int of) {
        List<FileList.Item> items = List.of(item("a", 7), item("b", 30), item("-", 0), item("c", 0));
        List<FileGroup> all = FileGroup.of(items, 10);
        List<FileList.Item> shared = new ArrayList<>();
        for (int number = 1; number <= of; number++) {
            shared.addAll(items(FileGroup.of(all, new WorkShare(number, of))));
        }
        assertThat(shared).containsExactlyElementsOf(items);
    }
}
