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

/** One or more folders of prepared text that a run trains on, by their names, all of one tokenizer. */
public final class TrainingData implements AutoCloseable {

    private final SequencedMap<String, Shards> sources;

    private TrainingData(SequencedMap<String, Shards> sources) {
        this.sources = sources;
    }

    /** What sequences are made of. */
    public enum Cut {
        /** Blocks of one length, across documents: {@link BlockSampler}. */
        BLOCKS,
        /** Whole documents: {@link DocumentSampler}. */
        DOCUMENTS
    }

    /** A single source, already open, which {@link #close} closes. */
    public static TrainingData of(Shards shards) {
        SequencedMap<String, Shards> sources = new LinkedHashMap<>();
        sources.put("data", shards);
        return new TrainingData(sources);
    }

    /**
     * Opens folders.
     *
     * @param folders at least one, by the names that weights and metrics have for them where there are several
     * @throws DataException if one is missing or damaged, or they were made by different tokenizers
     */
    public static TrainingData open(SequencedMap<String, Path> folders) {
        folders.forEach((name, folder) -> {
            if (folders.size() > 1 && !name.matches("[a-z][a-z0-9_]*")) {
                throw new DataException("'" + DataException.oneLine(name) + "' is no name for one of several sources;"
                        + " give " + folder + " one of lower-case letters, digits and _");
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

    /** What made the ids. */
    public Tokenizer tokenizer() {
        return sources.firstEntry().getValue().tokenizer();
    }

    /** SHA-256 over all of it: the manifest's of a single source, else that of a line for each: its name and its hash. */
    public String sha256() {
        if (sources.size() == 1) {
            return sources.firstEntry().getValue().manifest().sha256();
        }
        MessageDigest digest = Sha256.digest();
        sources.forEach((name, shards) ->
                digest.update((name + " " + shards.manifest().sha256() + "\n").getBytes(StandardCharsets.UTF_8)));
        return Sha256.hex(digest);
    }

    /** The documents that were held out: of a single source under the given name, else under the sources' names. */
    public SequencedMap<String, TokenStream> valid(String name) {
        SequencedMap<String, TokenStream> valid = new LinkedHashMap<>();
        sources.forEach((source, shards) ->
                shards.valid().ifPresent(held -> valid.put(sources.size() == 1 ? name : source, held)));
        return valid;
    }

    /**
     * The sequences to train on.
     *
     * @param length ids that are predicted in a sequence, at most
     * @param weights the sources' shares of the sequences, of which only the ratios matter; empty for their sizes
     * @throws DataException if a source has too little text, or documents without an end of text where they are to be
     *     packed, or weights and sources do not fit together
     */
    public TrainingSequences sequences(Cut cut, int length, Map<String, Double> weights, long seed) {
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

    private static TrainingSequences sequences(Cut cut, Shards shards, int length, long seed) {
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
     * Checks that documents can be told apart, as a mask or positions of their own want it.
     *
     * @throws DataException if they do not end with an end of text
     */
    public void checkEnds() {
        sources.values().forEach(TrainingData::checkEnds);
    }

    private static void checkEnds(Shards shards) {
        if (!shards.manifest().appendsEndOfText()) {
            throw new DataException("the data's documents do not end with an end of text, which the next one in a"
                    + " sequence has to begin behind; prepare the text with this program, or take blocks without"
                    + " regard to documents");
        }
    }

    private void checkWeights(Map<String, Double> weights) {
        Stream<String> unknown = weights.keySet().stream().filter(name -> !sources.containsKey(name));
        unknown.findFirst().ifPresent(name -> {
            throw new DataException("no data is called " + name + ", which has a weight; the names are " + names());
        });
        Stream<String> unweighted = sources.keySet().stream().filter(name -> !weights.containsKey(name));
        unweighted.filter(_ -> !weights.isEmpty()).findFirst().ifPresent(name -> {
            throw new DataException("the data " + name + " has no weight; give one to each of " + names()
                    + ", or to none, which takes all of each in turn");
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
