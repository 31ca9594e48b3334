package dev.moe4j.data;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * Turns text into a folder of prepared data (docs/data-format.md): one entry a document, in input order, each with the
 * end of text after it, nothing held out unless asked. The files are the same for any number of threads. The folder
 * appears under its name when it is whole; if anything fails, nothing is left.
 */
public final class Preparation {
    /** The name of the split that is trained on. */
    public static final String TRAIN = "train";

    /** The name of the split that is held out. */
    public static final String VALID = "valid";

    private final Tokenizer tokenizer;
    private final TextInput input;
    private final Path output;
    private HoldOut holdOut = HoldOut.NONE;
    private boolean overwrite;
    private int threads = Runtime.getRuntime().availableProcessors();
    private Consumer<Progress> progress = _ -> {};

    /**
     * A preparation with nothing held out, on all processors.
     *
     * @param output a folder that does not exist yet or is empty
     */
    public Preparation(Tokenizer tokenizer, TextInput input, Path output) {
        this.tokenizer = tokenizer;
        this.input = input;
        this.output = output;
    }

    /**
     * How far a preparation is.
     *
     * @param documents written, in all splits
     * @param tokens written, in all splits
     * @param inputBytes bytes on the disk of the files read, of {@code inputBytesTotal}
     */
    public record Progress(long documents, long tokens, long inputBytes, long inputBytesTotal) {}

    /**
     * A finished preparation.
     *
     * @param manifest as written
     * @param skipped what was left out
     */
    public record Result(Manifest manifest, Skipped skipped) {}

    /** Writes some documents to {@code valid} instead of {@code train}. */
    public Preparation holdOut(HoldOut value) {
        holdOut = value;
        return this;
    }

    /** Whether {@code output} may be prepared data, to be replaced; other content is never replaced. */
    public Preparation overwrite(boolean value) {
        overwrite = value;
        return this;
    }

    /** The number of threads that encode; the result does not depend on it. */
    public Preparation threads(int value) {
        if (value < 1) {
            throw new DataException("cannot encode on " + value + " threads; give at least 1");
        }
        threads = value;
        return this;
    }

    /** Is called on the thread of {@link #run} whenever a batch, some 100 kB of text, has been written. */
    public Preparation onProgress(Consumer<Progress> value) {
        progress = value;
        return this;
    }

    /**
     * Does it.
     *
     * @throws DataException if the output cannot be written or is in the way, the input cannot be read or has no text
     *     (see {@link TextInput#read}), or all or none of the documents are held out
     */
    public Result run() {
        try (OutputFolder folder = new OutputFolder(output, overwrite)) {
            Result result = write(folder.partial());
            result.manifest.write(folder.partial());
            folder.commit();
            return result;
        }
    }

    private Result write(Path folder) {
        boolean held = holdOut.fraction() > 0;
        try (ShardWriter train = new ShardWriter(folder.resolve(TRAIN), tokenizer.vocabularySize())) {
            if (!held) {
                return write(new Encoder.SplitWriter(train), Optional.empty());
            }
            try (ShardWriter valid = new ShardWriter(folder.resolve(VALID), tokenizer.vocabularySize())) {
                return write(new Encoder.SplitWriter(train), Optional.of(new Encoder.SplitWriter(valid)));
            }
        }
    }

    private Result write(Encoder.SplitWriter train, Optional<Encoder.SplitWriter> valid) {
        Map<String, long[]> bySource = new LinkedHashMap<>();
        input.sources().forEach(source -> bySource.put(source, new long[2]));
        long total = input.bytes();
        long[] read = {0};
        Runnable report = () -> progress.accept(new Progress(
                train.shard.documents() + valid.map(v -> v.shard.documents()).orElse(0L),
                train.shard.tokens() + valid.map(v -> v.shard.tokens()).orElse(0L),
                read[0],
                total));
        Skipped skipped;
        try (Encoder encoder = new Encoder(tokenizer, threads, report)) {
            skipped = input.read(
                    document -> {
                        String text = document.text();
                        boolean held = valid.isPresent() && holdOut.holds(text);
                        encoder.add(held ? valid.orElseThrow() : train, text);
                        long[] counts = bySource.computeIfAbsent(document.file().source(), _ -> new long[2]);
                        counts[0]++;
                        counts[1] += Utf8.length(text);
                    },
                    bytes -> read[0] += bytes);
            encoder.finish();
        }
        checkHoldOut(train, valid);

        Map<String, Manifest.Split> splits = new LinkedHashMap<>();
        splits.put(TRAIN, finish(train));
        valid.ifPresent(v -> splits.put(VALID, finish(v)));
        List<Manifest.Source> sources = bySource.entrySet().stream()
                .map(e -> new Manifest.Source(e.getKey(), e.getValue()[0], e.getValue()[1]))
                .toList();
        Manifest manifest = new Manifest(
                Manifest.FORMAT,
                Manifest.VERSION,
                Manifest.TokenizerInfo.of(tokenizer),
                true,
                splits,
                sources,
                new Manifest.Options(input.splitting(), input.transform(), holdOut.fraction(), holdOut.seed()),
                skipped.byName());
        return new Result(manifest, skipped);
    }

    private void checkHoldOut(Encoder.SplitWriter train, Optional<Encoder.SplitWriter> valid) {
        if (valid.isEmpty()) {
            return;
        }
        long held = valid.get().shard.documents();
        long kept = train.shard.documents();
        if (held == 0 || kept == 0) {
            throw new DataException("holding out a fraction of " + holdOut.fraction() + " of " + (held + kept)
                    + " documents leaves " + (held == 0 ? "none for validation" : "none for training")
                    + "; choose another fraction or seed, or give more documents");
        }
    }

    private static Manifest.Split finish(Encoder.SplitWriter split) {
        ShardWriter.Written written = split.shard.finish();
        return new Manifest.Split(
                split.shard.documents(), split.shard.tokens(), split.textBytes, written.bin(), written.idx());
    }
}
