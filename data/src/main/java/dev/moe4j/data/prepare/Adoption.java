package dev.moe4j.data.prepare;

import dev.moe4j.base.digest.Sha256;
import dev.moe4j.data.shard.HoldOut;
import dev.moe4j.data.shard.Manifest;
import dev.moe4j.data.shard.ShardLayout;
import dev.moe4j.data.shard.ShardReader;
import dev.moe4j.data.shard.Shards;
import dev.moe4j.data.shard.TextSize;
import dev.moe4j.text.DataException;
import dev.moe4j.text.source.ReadOptions;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * Turns pairs of {@code .bin} and {@code .idx} files from another program into prepared data. It checks the files and
 * writes a manifest next to them. Pairs whose names begin with {@code valid} form the held-out split. Pairs whose names
 * begin with {@code test} are ignored. All other pairs form the training split, in the order of their names.
 */
public final class Adoption {
    private static final int READ = 1 << 16;

    private final Tokenizer tokenizer;
    private final Path folder;
    private final TokenText text;
    private boolean allEnd = true;

    private Adoption(Tokenizer tokenizer, Path folder) {
        this.tokenizer = tokenizer;
        this.folder = folder;
        this.text = TokenText.of(tokenizer);
    }

    /**
     * Reads all pairs of a folder and writes the manifest.
     *
     * @param tokenizer the tokenizer that made the ids. The only possible check is that each id is in its vocabulary.
     * @param folder a folder with pairs and without a manifest
     * @throws DataException if the folder has a manifest, or has no pair to train on; if a pair is damaged or has entries
     *     that are not contiguous; or if an id is outside the vocabulary
     */
    public static Manifest adopt(Tokenizer tokenizer, Path folder) {
        if (Files.exists(folder.resolve(Manifest.FILE))) {
            throw new DataException(folder.resolve(Manifest.FILE) + " exists, so the folder is prepared data already;"
                    + " delete the file to write a new one");
        }
        Manifest manifest = new Adoption(tokenizer, folder).manifest();
        tokenizer.save(folder);
        manifest.write(folder);
        return manifest;
    }

    private Manifest manifest() {
        Map<String, List<Manifest.Shard>> shards = new TreeMap<>();
        for (String name : pairs()) {
            if (!name.startsWith("test")) {
                String split = name.startsWith(Shards.VALID) ? Shards.VALID : Shards.TRAIN;
                shards.computeIfAbsent(split, _ -> new ArrayList<>()).add(shard(name));
            }
        }
        if (!shards.containsKey(Shards.TRAIN)) {
            throw new DataException(
                    folder + " does not have a pair of .bin and .idx to train on; give the folder with such files");
        }
        Map<String, Manifest.Split> splits = new TreeMap<>();
        shards.forEach((name, pairs) -> splits.put(name, Manifest.Split.of(pairs)));
        long documents =
                splits.values().stream().mapToLong(Manifest.Split::documents).sum();
        long bytes =
                splits.values().stream().mapToLong(Manifest.Split::textBytes).sum();
        return new Manifest(
                Manifest.FORMAT,
                Manifest.VERSION,
                Manifest.TokenizerInfo.of(tokenizer),
                allEnd,
                splits,
                List.of(new Manifest.Source(Manifest.ADOPTED, documents, bytes)),
                Manifest.Options.of(ReadOptions.DEFAULT, HoldOut.NONE, ShardLayout.FAIRSEQ, Preparation.SHARD_BYTES),
                new Manifest.Work(1, 1, ""),
                Map.of());
    }

    private List<String> pairs() {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> String.valueOf(file.getFileName()))
                    .filter(name -> name.endsWith(".idx") && !name.startsWith("."))
                    .map(name -> name.substring(0, name.length() - ".idx".length()))
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw DataException.of("cannot read " + folder, e, "check the path and its permissions");
        }
    }

    private Manifest.Shard shard(String name) {
        try (ShardReader reader = ShardReader.open(folder.resolve(name))) {
            int vocabulary = tokenizer.vocabularySize();
            int[] ids = new int[READ];
            for (long at = 0; at < reader.tokens(); at += READ) {
                int count = (int) Math.min(READ, reader.tokens() - at);
                reader.copyTokens(at, ids, 0, count);
                for (int i = 0; i < count; i++) {
                    if (ids[i] >= vocabulary) {
                        throw new DataException(name + ".bin has the id " + ids[i] + " at position " + (at + i)
                                + ", outside the vocabulary of " + vocabulary + " of the tokenizer "
                                + DataException.oneLine(tokenizer.spec()) + "; give the tokenizer that made the ids");
                    }
                }
            }
            for (long document = 0; document < reader.documents() && allEnd; document++) {
                long end = reader.documentStart(document + 1);
                allEnd = end > reader.documentStart(document);
                if (allEnd) {
                    reader.copyTokens(end - 1, ids, 0, 1);
                    allEnd = ids[0] == tokenizer.endOfText();
                }
            }
            TextSize size = text.size(reader);
            return new Manifest.Shard(
                    reader.documents(),
                    reader.tokens(),
                    size.bytes(),
                    size.words(),
                    stored(name + ".bin"),
                    stored(name + ".idx"));
        }
    }

    private Manifest.Stored stored(String name) {
        Path file = folder.resolve(name);
        try {
            return new Manifest.Stored(name, Files.size(file), Sha256.of(file));
        } catch (IOException e) {
            throw DataException.of("cannot read " + file, e, "check the path and its permissions");
        }
    }
}
