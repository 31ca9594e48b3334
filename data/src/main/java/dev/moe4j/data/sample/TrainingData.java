package dev.moe4j.data.sample;

import dev.moe4j.base.digest.Sha256;
import dev.moe4j.base.primitive.SplitMix64;
import dev.moe4j.data.shard.Shards;
import dev.moe4j.data.shard.TokenStream;
import dev.moe4j.text.DataException;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.stream.Stream;

/** The named data sources of a training run: one or more folders of prepared data with the same tokenizer. */
public final class TrainingData implements AutoCloseable {

    private final SequencedMap<String, Shards> sources;

    private TrainingData(SequencedMap<String, Shards> sources) {
        this.sources = sources;
    }

    /** How training sequences are cut from the token stream. */
    public enum SequenceMode {
        /** Blocks of equal length, regardless of documents: {@link BlockSampler}. */
        BLOCKS,
        /** Packed complete documents: {@link DocumentSampler}. */
        DOCUMENTS
    }

    /** Uses a single open source. {@link #close} closes it. */
    public static TrainingData of(Shards shards) {
        SequencedMap<String, Shards> sources = new LinkedHashMap<>();
        sources.put("data", shards);
        return new TrainingData(sources);
    }

    /**
     * Opens folders of prepared data.
     *
     * @param folders at least one folder, by the source name. With several sources, weights and metrics use the names.
     * @throws DataException if a folder is missing or damaged, a name is invalid, or the tokenizers differ
     */
    public static TrainingData open(SequencedMap<String, Path> folders) {
        folders.forEach((name, folder) -> {
            if (folders.size() > 1 && !name.matches("[a-z][a-z0-9_]*")) {
                throw new DataException("'" + DataException.oneLine(name) + "' is not a valid source name;" + " give "
                        + folder + " a name of lower-case letters, digits and _");
            }
        });
        TrainingData data = new TrainingData(new LinkedHashMap<>());
        try {
            folders.forEach((name, folder) -> {
                Shards shards = Shards.open(folder);
                data.sources.put(name, shards);
                if (!shards.tokenizer().hash().equals(data.tokenizer().hash())) {
                    throw new DataException(folder + " was made with the tokenizer "
                            + shards.tokenizer().spec() + " and "
                            + folders.firstEntry().getValue() + " with "
                            + data.tokenizer().spec() + "; prepare one of them again with the other's");
                }
            });
            return data;
        } catch (Throwable e) {
            data.close();
            throw e;
        }
    }

    /** Returns the tokenizer of all sources. */
    public Tokenizer tokenizer() {
        return sources.firstEntry().getValue().tokenizer();
    }

    /**
     * Returns the SHA-256 of all data, in hex. For a single source, this is the hash of its manifest. For several sources,
     * it is the hash of one line per source with its name and manifest hash.
     */
    public String sha256() {
        if (sources.size() == 1) {
            return sources.firstEntry().getValue().manifest().sha256();
        }
        MessageDigest digest = Sha256.digest();
        sources.forEach((name, shards) ->
                digest.update((name + " " + shards.manifest().sha256() + "\n").getBytes(StandardCharsets.UTF_8)));
        return Sha256.hex(digest);
    }

    /**
     * Returns the held-out documents of each source that has any, by source name.
     *
     * @param name the name to use if there is a single source
     */
    public SequencedMap<String, TokenStream> valid(String name) {
        SequencedMap<String, TokenStream> valid = new LinkedHashMap<>();
        sources.forEach((source, shards) ->
                shards.valid().ifPresent(held -> valid.put(sources.size() == 1 ? name : source, held)));
        return valid;
    }

    /**
     * Returns the training sequences.
     *
     * @param cut how sequences are cut from the token stream
     * @param length the maximum number of predicted tokens in a sequence
     * @param weights the sampling weight of each source, of which only the ratios matter; empty to mix by size
     * @param seed the seed of the order of the sequences
     * @throws DataException if a source has too little text, if documents to be packed do not end with an end of text, or
     *     if weights and sources do not match
     */
    public TrainingSequences sequences(SequenceMode cut, int length, Map<String, Double> weights, long seed) {
        checkWeights(weights);
        if (sources.size() == 1) {
            return sequences(cut, sources.firstEntry().getValue(), length, seed);
        }
        List<TrainingSequences> each = new ArrayList<>();
        for (Shards shards : sources.values()) {
            each.add(sequences(cut, shards, length, SplitMix64.mix(seed ^ (each.size() + 1))));
        }
        return weights.isEmpty()
                ? MixedSequences.bySize(each, seed)
                : MixedSequences.byWeight(
                        each,
                        sources.keySet().stream().mapToDouble(weights::get).toArray(),
                        seed);
    }

    private static TrainingSequences sequences(SequenceMode cut, Shards shards, int length, long seed) {
        return switch (cut) {
            case BLOCKS -> new BlockSampler(shards.train(), length, seed);
            case DOCUMENTS -> {
                checkEnds(shards);
                yield new DocumentSampler(
                        shards.train(), length, shards.tokenizer().endOfText(), seed);
            }
        };
    }

    /**
     * Checks that document boundaries are known, as document masks and per-document positions need.
     *
     * @throws DataException if documents do not end with an end of text
     */
    public void checkEnds() {
        sources.values().forEach(TrainingData::checkEnds);
    }

    private static void checkEnds(Shards shards) {
        if (!shards.manifest().appendsEndOfText()) {
            throw new DataException(
                    "the documents of the data do not end with an end of text, which packed documents"
                            + " need as a separator; prepare the text with this program, or cut blocks regardless of documents");
        }
    }

    private void checkWeights(Map<String, Double> weights) {
        Stream<String> unknown = weights.keySet().stream().filter(name -> !sources.containsKey(name));
        unknown.findFirst().ifPresent(name -> {
            throw new DataException("no data is called " + name + ", which has a weight; the names are " + names());
        });
        Stream<String> unweighted = sources.keySet().stream().filter(name -> !weights.containsKey(name));
        unweighted.filter(_ -> !weights.isEmpty()).findFirst().ifPresent(name -> {
            throw new DataException("the data " + name + " does not have a weight; give a weight to each of " + names()
                    + ", or give none to mix by size");
        });
    }

    private String names() {
        return String.join(", ", sources.keySet());
    }

    /** Unmaps the files. */
    @Override
    public void close() {
        sources.values().forEach(Shards::close);
    }
}
