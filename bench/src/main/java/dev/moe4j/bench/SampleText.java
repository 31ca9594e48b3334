package dev.moe4j.bench;

import dev.moe4j.base.file.FileTree;
import dev.moe4j.data.prepare.Preparation;
import dev.moe4j.data.shard.Shards;
import dev.moe4j.text.source.TextInput;
import dev.moe4j.text.source.TextTransform;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** Real text from the JDK's sources, prepared in a folder that {@link #close} deletes. */
public final class SampleText implements AutoCloseable {

    private static final String TOKENIZER = "gpt2:2048";
    private static final String PACKAGE = "java.base/java/util/";

    private final Path folder;
    private final Shards shards;

    private SampleText(Path folder, Shards shards) {
        this.folder = folder;
        this.shards = shards;
    }

    /**
     * Prepares the JDK's sources of {@code java.util} and its subpackages, with runs of spaces collapsed.
     *
     * @throws BenchException if the JDK has no sources
     */
    public static SampleText prepare() {
        Path sources = Path.of(System.getProperty("java.home"), "lib", "src.zip");
        if (!Files.isReadable(sources)) {
            throw new BenchException("lib/src.zip is missing in this JDK: use a JDK with sources; `bench precision` "
                    + "also takes a prepared text with --data");
        }
        try {
            Path folder = Files.createTempDirectory("moe4j-sample");
            try {
                TextInput input = TextInput.of(List.of(sources))
                        .transform(TextTransform.COLLAPSE_SPACES)
                        .keep(file -> file.path().startsWith(PACKAGE));
                Preparation.Result _ = new Preparation(Tokenizer.of(TOKENIZER), input, folder).run();
                return new SampleText(folder, Shards.open(folder));
            } catch (RuntimeException e) {
                FileTree.delete(folder);
                throw e;
            }
        } catch (IOException e) {
            throw new BenchException("cannot prepare the sample text: " + e.getMessage(), e);
        }
    }

    /** The folder. A benchmark may put files there that are deleted with the text. */
    public Path folder() {
        return folder;
    }

    public Shards shards() {
        return shards;
    }

    @Override
    public void close() {
        shards.close();
        try {
            FileTree.delete(folder);
        } catch (IOException e) {
            throw new BenchException("cannot delete the sample text in " + folder + ": " + e.getMessage(), e);
        }
    }
}
