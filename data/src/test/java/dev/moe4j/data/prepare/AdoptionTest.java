package dev.moe4j.data.prepare;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.data.sample.TrainingData;
import dev.moe4j.data.shard.Manifest;
import dev.moe4j.data.shard.Shards;
import dev.moe4j.data.shard.TextSize;
import dev.moe4j.text.DataException;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Files as other programs write them, byte by byte. */
class AdoptionTest {
    private static final int END = 256;

    @TempDir
    private Path folder;

    private final Tokenizer tokenizer = Tokenizer.of("bytes");

    private void write(String name, boolean megatron, int[]... documents) throws IOException {
        int n = documents.length;
        ByteBuffer index = ByteBuffer.allocate(26 + 12 * n + (megatron ? 8 + 8 * (n + 1) : 0));
        index.order(ByteOrder.LITTLE_ENDIAN);
        index.put("MMIDIDX\0\0".getBytes(StandardCharsets.US_ASCII))
                .putLong(1)
                .put((byte) 8)
                .putLong(n);
        if (megatron) {
            index.putLong(n + 1L);
        }
        int ids = 0;
        for (int[] document : documents) {
            index.putInt(document.length);
            ids += document.length;
        }
        long at = 0;
        for (int[] document : documents) {
            index.putLong(at);
            at += 2L * document.length;
        }
        for (long i = 0; megatron && i <= n; i++) {
            index.putLong(i);
        }
        ByteBuffer bin = ByteBuffer.allocate(2 * ids).order(ByteOrder.LITTLE_ENDIAN);
        for (int[] document : documents) {
            for (int id : document) {
                bin.putShort((short) id);
            }
        }
        Files.write(folder.resolve(name + ".idx"), index.array());
        Files.write(folder.resolve(name + ".bin"), bin.array());
    }

    @BeforeEach
    void writeFiles() throws IOException {
        write("train", false, new int[] {'a', 'b', END}, new int[] {'c', END});
        write("valid", false, new int[] {'d', END});
        write("test", false, new int[] {'e', END});
    }

    @Test
    void fairseqsFilesBecomePreparedData() {
        Manifest manifest = Adoption.adopt(tokenizer, folder);

        assertThat(manifest.appendsEndOfText()).isTrue();
        assertThat(Objects.requireNonNull(manifest.splits().get("train")).size())
                .isEqualTo(new TextSize(3, 2));
        assertThat(manifest.adopted()).isTrue();
        manifest.verify(folder);
        try (Shards shards = Shards.open(folder)) {
            assertThat(shards.manifest()).isEqualTo(manifest);
            assertThat(shards.train().documents()).isEqualTo(2);
            assertThat(tokenizer.decode(shards.train().document(0))).isEqualTo("ab");
            assertThat(shards.valid().orElseThrow().tokens()).isEqualTo(2);
        }
    }

    @Test
    void megatronsFilesAreTrainedOnInTheOrderOfTheirNames() throws IOException {
        for (String name : new String[] {"train", "valid", "test"}) {
            Files.delete(folder.resolve(name + ".idx"));
            Files.delete(folder.resolve(name + ".bin"));
        }
        write("b_text_document", true, new int[] {'b', END});
        write("a_text_document", true, new int[] {'a', 'a'}, new int[] {'c', END});
        Manifest manifest = Adoption.adopt(tokenizer, folder);

        assertThat(manifest.appendsEndOfText()).isFalse(); // "aa" has no end
        try (Shards shards = Shards.open(folder)) {
            assertThat(shards.train().documents()).isEqualTo(3);
            assertThat(tokenizer.decode(shards.train().document(2))).isEqualTo("b");
            assertThat(shards.valid()).isEmpty();
            TrainingData data = TrainingData.of(shards);
            assertThatThrownBy(() -> data.sequences(TrainingData.SequenceMode.DOCUMENTS, 4, Map.of(), 1))
                    .isInstanceOf(DataException.class)
                    .hasMessageContaining("do not end with an end of text");
        }
    }

    @Test
    void anIdOutsideTheVocabularyLeavesNoManifest() throws IOException {
        write("train", true, new int[] {'a', 257, END});
        assertThatThrownBy(() -> Adoption.adopt(tokenizer, folder))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("train.bin has the id 257 at position 1, outside the vocabulary of 257");
        assertThat(folder.resolve("manifest.json")).doesNotExist();
    }

    @Test
    void whatIsPreparedAlreadyIsRefused() {
        Adoption.adopt(tokenizer, folder);
        assertThatThrownBy(() -> Adoption.adopt(tokenizer, folder))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("manifest.json exists");
    }

    @Test
    void aFolderWithNothingToTrainOnIsRefused() throws IOException {
        Files.delete(folder.resolve("train.idx"));
        assertThatThrownBy(() -> Adoption.adopt(tokenizer, folder))
                .hasMessageContaining("does not have a pair of .bin and .idx");
    }
}
