package dev.moe4j.data.shard;

import dev.moe4j.text.DataException;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** An open folder of prepared data: its manifest, its tokenizer and the documents of its splits. */
public final class Shards implements AutoCloseable {

    /** The name of the training split. */
    public static final String TRAIN = "train";

    /** The name of the held-out split. */
    public static final String VALID = "valid";

    private final Manifest manifest;
    private final Tokenizer tokenizer;
    private final Map<String, ShardList> readers;

    private Shards(Manifest manifest, Tokenizer tokenizer, Map<String, ShardList> readers) {
        this.manifest = manifest;
        this.tokenizer = tokenizer;
        this.readers = readers;
    }

    /**
     * Opens a folder that a {@code Preparation} has written, and checks its consistency. Checksums are not verified; use
     * {@link Manifest#verify} for that.
     *
     * @throws DataException if a file is missing or damaged, the folder is one share of several, or the tokenizer's
     *     definition has changed
     */
    public static Shards open(Path folder) {
        Manifest manifest = Manifest.read(folder);
        Manifest.Work work = manifest.work();
        if (work.of() != 1) {
            throw new DataException(folder + " is shard " + work.share() + " of " + work.of()
                    + " of a preparation; join them with `prepare merge`");
        }
        Manifest.TokenizerInfo info = manifest.tokenizer();
        Tokenizer tokenizer = Tokenizer.of(info.spec(), folder);
        if (!Manifest.TokenizerInfo.of(tokenizer).equals(info)) {
            throw new DataException(folder + " was made with another definition of the tokenizer "
                    + DataException.oneLine(info.spec()) + "; prepare the data again");
        }
        Map<String, ShardList> readers = new HashMap<>();
        Shards shards = new Shards(manifest, tokenizer, readers);
        try {
            for (String name : new String[] {TRAIN, VALID}) {
                Manifest.@Nullable Split split = manifest.splits().get(name);
                if (split != null) {
                    readers.put(name, open(folder, name, split));
                }
            }
            if (!readers.containsKey(TRAIN)) {
                throw new DataException(folder + " does not have a split named train; prepare the data again");
            }
            return shards;
        } catch (Throwable e) {
            shards.close();
            throw e;
        }
    }

    private static ShardList open(Path folder, String name, Manifest.Split split) {
        List<ShardReader> shards = new ArrayList<>();
        try {
            for (Manifest.Shard shard : split.shards()) {
                shards.add(open(folder, shard));
            }
            return new ShardList(folder.resolve(name), shards);
        } catch (Throwable e) {
            shards.forEach(ShardReader::close);
            throw e;
        }
    }

    private static ShardReader open(Path folder, Manifest.Shard shard) {
        String bin = shard.bin().name();
        String prefix = bin.endsWith(".bin") ? bin.substring(0, bin.length() - 4) : "";
        if (!shard.idx().name().equals(prefix + ".idx")) {
            throw new DataException(folder.resolve(Manifest.FILE) + " is damaged: " + DataException.oneLine(bin)
                    + " and " + DataException.oneLine(shard.idx().name()) + " are not a pair; prepare the data again");
        }
        ShardReader reader = ShardReader.open(folder.resolve(prefix));
        if (reader.documents() != shard.documents() || reader.tokens() != shard.tokens()) {
            reader.close();
            throw new DataException(folder.resolve(prefix) + ".idx has " + reader.documents() + " documents and "
                    + reader.tokens() + " tokens, but the manifest says " + shard.documents() + " and "
                    + shard.tokens() + "; copy it again or prepare the data again");
        }
        return reader;
    }

    /** Returns the manifest of the folder. */
    public Manifest manifest() {
        return manifest;
    }

    /** Returns the tokenizer that made the ids. */
    public Tokenizer tokenizer() {
        return tokenizer;
    }

    /** Returns the training documents. */
    public ShardList train() {
        ShardList train = readers.get(TRAIN);
        if (train == null) {
            throw new IllegalStateException("open has checked that there is one");
        }
        return train;
    }

    /** Returns the held-out documents; empty if the folder has none. */
    public Optional<ShardList> valid() {
        return Optional.ofNullable(readers.get(VALID));
    }

    /** Returns the documents for evaluation: the held-out documents, or the training documents if none are held out. */
    public ShardList evaluation() {
        return valid().orElse(train());
    }

    /** Unmaps the files. */
    @Override
    public void close() {
        readers.values().forEach(ShardList::close);
    }
}
