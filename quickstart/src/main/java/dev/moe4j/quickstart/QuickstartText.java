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
 * The texts of a quickstart: training text, held-out documents from the same groups (in-domain), and out-of-domain text.
 * Out-of-domain text consists of groups of the same source that are held out completely, and of other text on this machine.
 */
final class QuickstartText implements AutoCloseable {

    private static final double HELD_OUT_DOCUMENTS = 0.02;
    private static final double HELD_OUT_GROUPS = 0.1;
    private static final double HELD_OUT_SAMPLE = 0.2;
    private static final int LEAST_GROUPS = 4;

    /** A folder with at most this many files is read as files of many documents, separated by blank lines. */
    private static final int FEW_FILES = 100;

    /** Approximate tokens per byte of a text file. */
    private static final double TOKENS_PER_BYTE = 0.5;

    /** Approximate tokens per byte of a compressed archive. */
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
     * The sources of a quickstart's texts.
     *
     * @param input a folder, file or archive with the training text
     * @param otherKinds further out-of-domain texts
     * @param collapseSpaces whether each run of spaces becomes one space
     */
    record Location(Path input, List<Named> otherKinds, boolean collapseSpaces) {

        record Named(String name, Path path) {}

        /**
         * Chooses the user's folder, else the JDK's sources, else the project's sources.
         *
         * @param folder the user's folder; null if none was given
         * @param home the project's folder; null if unknown
         * @throws StudyException if no source exists
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
     * Prepares all texts.
     *
     * @param location the sources
     * @param tokenizer the tokenizer
     * @param folder folder for the shards
     * @param wantedTokens approximate number of tokens that training will read; larger text is sampled
     * @param seed seed of the sample and of the held-out text
     * @param log receives a line at each stage
     * @throws StudyException if held-out or out-of-domain text is missing
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
            notes.add("A sample of the text was used, about as much as the models can read in their time.");
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
            throw new StudyException(
                    "no out-of-domain text was found; give a folder with at least " + LEAST_GROUPS + " subfolders");
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

    /** Searches the training text for the held-out texts and warns if they overlap. */
    private void checkOverlap(Tokenizer tokenizer, Consumer<String> log) {
        TextOverlap overlap = new TextOverlap();
        heldOut.forEach(text -> overlap.add(text.name(), text.tokens(), tokenizer));
        List<TextOverlap.Found> found = overlap.in(training.train(), tokenizer, _ -> {});
        log.accept("share of each held-out text that occurs in the training text: "
                + found.stream()
                        .map(each -> each.name() + " " + percent(each.share()))
                        .collect(Collectors.joining(", ")));
        for (int i = 0; i < found.size(); i++) {
            double share = found.get(i).share();
            // The training text is the first source. The held-out texts follow in the order of heldOut.
            ReportData.Source source = sources.get(i + 1);
            sources.set(
                    i + 1,
                    new ReportData.Source(source.name(), source.use(), source.documents(), source.tokens(), share));
            if (share > TextOverlap.LIMIT) {
                String warning = "%s of %s occurs in the training text, so both perplexities on it are too low"
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
     * The groups of the input's files: the folders at the first level of a folder or an archive. A small number of files
     * at the first level are groups themselves if there are too few folders.
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

    /** Draws about a tenth of the groups by the seed; none if there are too few groups. */
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
     * Samples a fraction of the text. Many files are sampled by file, so that the others need not be read. Few files are
     * sampled by document, where blank lines separate documents.
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

    /** Maps a key to a uniform number in [0, 1). */
    private static double draw(RandomKey key) {
        return (key.value() >>> 11) * 0x1p-53;
    }

    /** Excludes the files of version control and builds. */
    private static Predicate<TextFile> notHidden() {
        return file -> Stream.of(file.path().split("/"))
                .noneMatch(name -> name.startsWith(".") || name.equals("target") || name.equals("node_modules"));
    }
}
