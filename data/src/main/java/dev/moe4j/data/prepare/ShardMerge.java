package dev.moe4j.data.prepare;

import dev.moe4j.data.shard.Manifest;
import dev.moe4j.text.DataException;
import dev.moe4j.text.source.Skipped;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Joins the output folders of the shares of one preparation. The result is byte for byte the output of a preparation on
 * one machine.
 */
public final class ShardMerge {
    private ShardMerge() {}

    /**
     * Joins shares after verifying their checksums. Files are hard-linked if the file system allows it, else copied.
     *
     * @param folders the folders of all shares, in any order; they are not changed
     * @param output a folder that does not exist yet or is empty
     * @param overwrite whether prepared data in {@code output} may be replaced
     * @return the manifest of {@code output}
     * @throws DataException if a share is missing, damaged, given twice or part of another preparation
     */
    public static Manifest merge(List<Path> folders, Path output, boolean overwrite) {
        Map<Integer, Path> shares = new TreeMap<>();
        List<Manifest> manifests = new ArrayList<>();
        for (Path folder : folders) {
            Manifest manifest = Manifest.read(folder);
            Path twice = shares.put(manifest.work().share(), folder);
            if (twice != null) {
                throw new DataException(twice + " and " + folder + " are both shard "
                        + manifest.work().share() + "; give each once");
            }
        }
        for (Path folder : shares.values()) {
            manifests.add(Manifest.read(folder));
        }
        Manifest merged = join(List.copyOf(shares.values()), manifests);
        try (OutputFolder out = new OutputFolder(output, overwrite, "")) {
            int i = 0;
            for (Path folder : shares.values()) {
                Manifest manifest = manifests.get(i++);
                manifest.verify(folder);
                for (Manifest.Stored stored : manifest.files()) {
                    place(folder.resolve(stored.name()), out.data().resolve(stored.name()));
                }
            }
            Path any = folders.getFirst();
            Tokenizer.of(merged.tokenizer().spec(), any).save(out.data());
            out.commit(merged);
        }
        return merged;
    }

    private static Manifest join(List<Path> folders, List<Manifest> manifests) {
        if (manifests.isEmpty()) {
            throw new DataException("nothing to merge; give the folders that `prepare --shard` has written");
        }
        Manifest first = manifests.getFirst();
        Skipped skipped = new Skipped();
        for (int i = 0; i < manifests.size(); i++) {
            Manifest manifest = manifests.get(i);
            if (manifest.version() != first.version()
                    || !manifest.tokenizer().equals(first.tokenizer())
                    || !manifest.options().equals(first.options())
                    || !manifest.work().plan().equals(first.work().plan())
                    || manifest.work().of() != first.work().of()) {
                throw new DataException(folders.get(i) + " belongs to another preparation than " + folders.getFirst()
                        + " (other input, tokenizer, options or format version); give the shards of one preparation");
            }
            skipped.add(Skipped.byName(manifest.skipped()));
        }
        int of = first.work().of();
        for (int share = 1; share <= of; share++) {
            if (share > manifests.size() || manifests.get(share - 1).work().share() != share) {
                throw new DataException("shard " + share + " of " + of + " is missing; give the folders of all");
            }
        }
        Map<String, Manifest.Split> splits = new TreeMap<>();
        for (String name : first.splits().keySet()) {
            List<Manifest.Shard> shards = new ArrayList<>();
            for (Manifest manifest : manifests) {
                Manifest.Split split = manifest.splits().get(name);
                if (split != null) {
                    shards.addAll(split.shards());
                }
            }
            splits.put(name, Manifest.Split.of(shards));
        }
        List<Manifest.Source> sources = new ArrayList<>(first.sources());
        for (Manifest manifest : manifests.subList(1, manifests.size())) {
            for (int i = 0; i < sources.size(); i++) {
                sources.set(i, sources.get(i).plus(manifest.sources().get(i)));
            }
        }
        Manifest merged = new Manifest(
                first.format(),
                first.version(),
                first.tokenizer(),
                first.appendsEndOfText(),
                splits,
                sources,
                first.options(),
                new Manifest.Work(1, 1, first.work().plan()),
                skipped.byName());
        Preparation.checkSplits(merged);
        return merged;
    }

    private static void place(Path from, Path to) {
        try {
            try {
                Files.createLink(to, from.toRealPath());
            } catch (UnsupportedOperationException | IOException e) { // another file system, or one without hard links
                Files.copy(from, to);
            }
        } catch (IOException e) {
            throw DataException.of("cannot write " + to, e, "free some space there or choose another output folder");
        }
    }
}
