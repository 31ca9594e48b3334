package dev.moe4j.quickstart;

import dev.moe4j.base.text.Numbers;
import dev.moe4j.data.prepare.Preparation;
import dev.moe4j.data.shard.HoldOut;
import dev.moe4j.data.shard.Manifest;
import dev.moe4j.data.shard.Shards;
import dev.moe4j.data.statistics.TextOverlap;
import dev.moe4j.report.pair.ReportData;
import dev.moe4j.study.steps.StudyException;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.text.DataException;
import dev.moe4j.text.source.DocumentBoundary;
import dev.moe4j.text.source.TextFile;
import dev.moe4j.text.source.TextInput;
import dev.moe4j.text.source.TextTransform;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.zip.ZipFile;
import org.jspecify.annotations.Nullable;

/**
 * The text of a quickstart: what is trained on, held-out documents of the same kind (in-domain), and text of other kinds
 * (out-of-domain): groups of the same source that were kept out as a whole, and whatever else this machine has.
 */
final class QuickstartText implements AutoCloseable {

    private static final double HELD_OUT_DOCUMENTS = 0.02;
    private static final double HELD_OUT_GROUPS = 0.1;
    private static final double HELD_OUT_SAMPLE = 0.2;
    private static final int LEAST_GROUPS = 4;

    /** Up to this many files are sources of many documents each, which blank lines separate. */
    private static final int FEW_FILES = 100;

    /** Tokens of text that a byte of a file gives, roughly: archives are compressed. */
    private static final double TOKENS_PER_BYTE = 0.5;

    private static final double TOKENS_PER_ARCHIVE_BYTE = 1.7;

    private final Shards training;
    private final List<Shards> others = new ArrayList<>();
    private final List<HeldOutText> heldOut = new ArrayList<>();
    private final List<ReportData.Source> sources = new ArrayList<>();
    private final String heldOutDescription;
    private final List<String> notes;

    private QuickstartText(Shards training, String heldOutDescription, List<String> notes) {
        this.training = training;
        this.heldOutDescription = heldOutDescription;
        this.notes = notes;
    }

    /**
     * Where a quickstart's text is.
     *
     * @param input a folder, file or archive
     * @param otherKinds texts of other kinds for out-of-domain, by name
     * @param collapseSpaces whether runs of spaces become one
     */
    record Location(Path input, List<Named> otherKinds, boolean collapseSpaces) {

        record Named(String name, Path path) {}

        /**
         * The user's folder; without one the JDK's own sources, else the project's.
         *
         * @param home the project's folder, null where it is not known
         */
        static Location choose(@Nullable Path folder, @Nullable Path home) {
            Path jdk = Path.of(System.getProperty("java.home"));
            List<Named> others = new ArrayList<>();
            addIfThere(others, "JDK legal texts", jdk.resolve("legal"));
            if (home != null) {
                addIfThere(others, "moe4j documents", home.resolve("docs"));
            }
            if (folder != null) {
                return new Location(folder, others, false);
            }
            Path sources = jdk.resolve("lib/src.zip");
            if (Files.isReadable(sources)) {
                return new Location(sources, others, true);
            }
            if (home != null) {
                return new Location(home, others.subList(0, Math.min(1, others.size())), true);
            }
            throw new StudyException("this JDK has no lib/src.zip to train on; name a folder: quickstart FOLDER");
        }

        private static void addIfThere(List<Named> others, String name, Path path) {
            if (Files.exists(path)) {
                others.add(new Named(name, path));
            }
        }
    }

    /**
     * Prepares the text under {@code folder}.
     *
     * @param wantedTokens about how many tokens training will read; of larger text a sample of files is taken
     */
    static QuickstartText prepare(
            Location location, Tokenizer tokenizer, Path folder, double wantedTokens, long seed, Consumer<String> log) {
        TextInput all = TextInput.of(List.of(location.input()))
                .transform(location.collapseSpaces() ? TextTransform.COLLAPSE_SPACES : TextTransform.NONE);
        boolean fewFiles = !isArchive(location.input()) && all.files().size() <= FEW_FILES;
        Set<String> outGroups = outGroups(groups(location.input(), all.files()), seed);
        double fraction = Math.min(1, wantedTokens / estimateTokens(location.input(), all));
        Predicate<TextFile> inside = file -> !outGroups.contains(file.group());
        log.accept("preparing " + location.input() + (fraction < 1 ? " (a sample)" : ""));
        Manifest manifest = new Preparation(
                        tokenizer, sample(all, fewFiles, inside, fraction, seed), folder.resolve("train"))
                .holdOut(new HoldOut(HELD_OUT_DOCUMENTS, seed))
                .run()
                .manifest();

        List<String> notes = new ArrayList<>();
        if (location.collapseSpaces()) {
            notes.add("Runs of spaces and tabs were collapsed to one space before training and evaluation.");
        }
        if (fraction < 1) {
            notes.add("A sample of the text was taken, about what the models can read in their time.");
        }
        String description = "2 % of the documents (in-domain)"
                + (outGroups.isEmpty() ? "" : ", and all of " + String.join(", ", outGroups) + " (out-of-domain)");
        QuickstartText text = new QuickstartText(Shards.open(folder.resolve("train")), description, notes);
        try {
            text.addTraining(location.input().toString(), manifest);
            if (!outGroups.isEmpty()) {
                text.addOutOfDomain(
                        "held-out groups",
                        tokenizer,
                        sample(all, fewFiles, file -> outGroups.contains(file.group()), HELD_OUT_SAMPLE, seed),
                        folder.resolve("held-out-groups"));
            }
            for (Location.Named other : location.otherKinds()) {
                text.addOutOfDomain(
                        other.name(),
                        tokenizer,
                        TextInput.of(List.of(other.path())).transform(TextTransform.COLLAPSE_SPACES),
                        folder.resolve(other.name().replace(' ', '-')));
            }
            text.checkOverlap(tokenizer, log);
        } catch (RuntimeException e) {
            text.close();
            throw e;
        }
        if (text.heldOut.stream().allMatch(HeldOutText::inDomain)) {
            text.close();
            throw new StudyException("no text of another kind was found for the out-of-domain figures");
        }
        return text;
    }

    private void addTraining(String name, Manifest manifest) {
        addSource(name, "training", manifest, Shards.TRAIN);
        addSource(name, "held out, in-domain", manifest, Shards.VALID);
        heldOut.add(new HeldOutText(
                "held-out documents",
                true,
                training.valid().orElseThrow(() -> new StudyException("the text gave no held-out documents"))));
    }

    private void addSource(String name, String use, Manifest manifest, String splitName) {
        Manifest.Split split = manifest.splits().get(splitName);
        if (split != null) {
            sources.add(new ReportData.Source(name, use, split.documents(), split.tokens(), Double.NaN));
        }
    }

    private void addOutOfDomain(String name, Tokenizer tokenizer, TextInput input, Path folder) {
        Manifest manifest;
        try {
            manifest = new Preparation(tokenizer, input, folder).run().manifest();
        } catch (DataException e) {
            notes.add("Left out " + name + ": " + e.getMessage());
            return;
        }
        Shards shards = Shards.open(folder);
        others.add(shards);
        addSource(name, "out-of-domain", manifest, Shards.TRAIN);
        heldOut.add(new HeldOutText(name, false, shards.train()));
    }

    /** Looks for the held-out texts in the training text. */
    private void checkOverlap(Tokenizer tokenizer, Consumer<String> log) {
        TextOverlap overlap = new TextOverlap();
        heldOut.forEach(text -> overlap.add(text.name(), text.tokens(), tokenizer));
        List<TextOverlap.Found> found = overlap.in(training.train(), tokenizer, _ -> {});
        log.accept("of the held-out texts stand in the training text: "
                + found.stream()
                        .map(each -> each.name() + " " + percent(each.share()))
                        .collect(Collectors.joining(", ")));
        for (int i = 0; i < found.size(); i++) {
            double share = found.get(i).share();
            // The training text is the first source; the held-out texts follow in their order.
            ReportData.Source source = sources.get(i + 1);
            sources.set(
                    i + 1,
                    new ReportData.Source(source.name(), source.use(), source.documents(), source.tokens(), share));
            if (share > TextOverlap.LIMIT) {
                String warning = "%s of %s stands in the training text, so its perplexities flatter both models"
                        .formatted(percent(share), found.get(i).name());
                log.accept("warning: " + warning);
                notes.add(warning + ".");
            }
        }
    }

    private static String percent(double share) {
        return Double.isNaN(share) ? "too short to check" : Numbers.significant(100 * share, 2) + " %";
    }

    Shards training() {
        return training;
    }

    List<HeldOutText> heldOut() {
        return heldOut;
    }

    ReportData.TextData description() {
        return new ReportData.TextData(sources, heldOutDescription, notes);
    }

    @Override
    public void close() {
        training.close();
        others.forEach(Shards::close);
    }

    private static double estimateTokens(Path input, TextInput text) {
        return text.bytes() * (isArchive(input) ? TOKENS_PER_ARCHIVE_BYTE : TOKENS_PER_BYTE);
    }

    /**
     * The groups of the input's files: what stands at the first level of a folder or an archive. Loose files are groups
     * where there are few of them, each a source of its own.
     */
    private static Set<String> groups(Path input, List<TextFile> files) {
        Set<String> folders = new TreeSet<>();
        Set<String> loose = new TreeSet<>();
        for (TextFile file : isArchive(input) ? entries(input) : files) {
            (file.path().indexOf('/') > 0 ? folders : loose).add(file.group());
        }
        folders.removeIf(name -> name.startsWith("."));
        return folders.size() >= LEAST_GROUPS || loose.size() > FEW_FILES ? folders : loose;
    }

    private static List<TextFile> entries(Path archive) {
        try (ZipFile zip = new ZipFile(archive.toFile())) {
            return zip.stream()
                    .map(entry -> new TextFile(archive.toString(), entry.getName()))
                    .toList();
        } catch (IOException e) {
            throw new StudyException("cannot read " + archive + ": " + DataException.reason(e), e);
        }
    }

    private static boolean isArchive(Path input) {
        return input.toString().endsWith(".zip") || input.toString().endsWith(".jar");
    }

    /** About a tenth of the groups, drawn by the seed; none where there are too few to spare one. */
    private static Set<String> outGroups(Set<String> groups, long seed) {
        if (groups.size() < LEAST_GROUPS) {
            return Set.of();
        }
        RandomKey key = new RandomKey(seed).fold("held-out groups");
        List<String> order = new ArrayList<>(groups);
        order.sort(Comparator.comparingLong(name -> key.fold(name).value()));
        int count = Math.max(1, (int) (groups.size() * HELD_OUT_GROUPS));
        return new LinkedHashSet<>(order.subList(0, count));
    }

    /**
     * A fraction of the text: of many files whole files, so that the others need not be read; of few ones, which hold
     * documents between blank lines, documents.
     */
    private static TextInput sample(
            TextInput all, boolean fewFiles, Predicate<TextFile> keep, double fraction, long seed) {
        RandomKey key = new RandomKey(seed).fold("sample");
        Predicate<TextFile> wanted = notHidden().and(keep);
        return fewFiles
                ? all.splitting(DocumentBoundary.BLANK_LINE)
                        .keep(wanted)
                        .keepDocuments(document ->
                                draw(key.fold(document.file().path()).fold(document.part())) < fraction)
                : all.keep(wanted.and(file -> draw(key.fold(file.path())) < fraction));
    }

    /** A number in [0, 1) for a key. */
    private static double draw(RandomKey key) {
        return (key.value() >>> 11) * 0x1p-53;
    }

    /** Leaves out what version control and builds keep beside the text. */
    private static Predicate<TextFile> notHidden() {
        return file -> Stream.of(file.path().split("/"))
                .noneMatch(name -> name.startsWith(".") || name.equals("target") || name.equals("node_modules"));
    }
}
