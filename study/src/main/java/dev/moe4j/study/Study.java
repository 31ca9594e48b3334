package dev.moe4j.study;

import dev.moe4j.base.machine.Processors;
import dev.moe4j.study.ladder.Ladder;
import dev.moe4j.study.ladder.StudyPlan;
import dev.moe4j.study.steps.EnergyMeter;
import dev.moe4j.study.steps.RunningStep;
import dev.moe4j.study.steps.Step;
import dev.moe4j.study.steps.StepRates;
import dev.moe4j.study.steps.StudyException;
import dev.moe4j.study.steps.StudyFolder;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Runs the unfinished steps of a ladder as child processes, several in parallel. A finished step never runs again, even if
 * another ladder requested it. The children end with this process, however it ends. The same command then resumes from
 * their checkpoints and cached results.
 */
public final class Study {

    private static final Duration TICK = Duration.ofMillis(200);

    private final Settings settings;
    private final Consumer<String> log;
    private final Consumer<Progress> progress;

    /**
     * Settings of a study.
     *
     * @param ladder the ladder's YAML file
     * @param data folder that the ladder's data paths are relative to
     * @param out the study's folder
     * @param parallel number of steps that run in parallel; null for cores divided by the ladder's threads, or 1 on a GPU
     * @param program command line that starts {@code moe4j}
     * @param environment variables that are added to the children's environment
     */
    public record Settings(
            Path ladder,
            Path data,
            Path out,
            @Nullable Integer parallel,
            List<String> program,
            Map<String, String> environment) {}

    /**
     * Progress of a study.
     *
     * @param finished number of finished steps
     * @param total number of all steps
     * @param running steps that are running
     * @param left estimated remaining time, from steps of the same kinds; null if none has run yet
     */
    public record Progress(
            int finished,
            int total,
            List<Running> running,
            @Nullable Duration left) {}

    /**
     * A running step.
     *
     * @param title the step's title
     * @param share fraction done, from 0 to 1; NaN if unknown
     * @param text current state in a few words
     * @param left estimated remaining time; null if unknown
     */
    public record Running(
            String title,
            double share,
            String text,
            @Nullable Duration left) {}

    /**
     * Result of a call of {@link #run}.
     *
     * @param folder the study's folder
     * @param steps number of the ladder's steps
     * @param ran steps that finished in this call
     * @param reused steps that had finished before
     * @param missing steps that are still unfinished
     * @param seconds duration of the call
     */
    public record Result(Path folder, int steps, int ran, int reused, int missing, double seconds) {}

    /** A step of the ladder and whether it has finished. */
    public record Listed(String name, String title, boolean finished) {}

    /**
     * @param settings settings of the study
     * @param log receives one line when a step starts, finishes or fails
     * @param progress receives the progress several times a second
     */
    public Study(Settings settings, Consumer<String> log, Consumer<Progress> progress) {
        this.settings = settings;
        this.log = log;
        this.progress = progress;
    }

    /**
     * The ladder's steps, without running any.
     *
     * @throws StudyException if the ladder or its data is invalid
     */
    public List<Listed> list() {
        return plan(Ladder.read(settings.ladder())).steps().stream()
                .map(step -> new Listed(
                        step.name(),
                        step.title(),
                        StudyFolder.result(step.folder()).isPresent()))
                .toList();
    }

    private StudyPlan plan(Ladder ladder) {
        return StudyPlan.of(ladder, settings.ladder(), settings.data(), settings.out());
    }

    // Two runs on one GPU would compete for its time and memory.
    private static int placesFor(Ladder ladder) {
        return ladder.onProcessors() ? Math.max(1, Processors.cores() / ladder.threads()) : 1;
    }

    /**
     * Runs the unfinished steps.
     *
     * @param stop polled; once it returns true, the running steps are asked to end and no more are started
     * @throws StudyException if the ladder or its data is invalid, another process runs the study, or a step fails. Steps
     *     that do not depend on the failed step still run
     */
    public Result run(BooleanSupplier stop) {
        long began = System.nanoTime();
        Ladder ladder = Ladder.read(settings.ladder());
        StudyPlan plan = plan(ladder);
        try (StudyFolder folder = StudyFolder.lock(settings.out())) {
            folder.writeIndex(plan.index(machine(ladder)));
            int places = settings.parallel() != null ? settings.parallel() : placesFor(ladder);
            Execution execution = new Execution(folder, plan.steps(), ladder, places);
            int reused = execution.finished.size();
            log.accept("%d steps, %d of them finished; running %d in parallel, %d thread(s) each"
                    .formatted(plan.steps().size(), reused, places, ladder.threads()));
            execution.run(stop);
            if (!execution.failures.isEmpty()) {
                throw new StudyException(execution.failures.size() + " of the study's steps failed; the first: "
                        + execution.failures.getFirst());
            }
            return new Result(
                    settings.out(),
                    plan.steps().size(),
                    execution.finished.size() - reused,
                    reused,
                    plan.steps().size() - execution.finished.size(),
                    (System.nanoTime() - began) / 1e9);
        }
    }

    private static String machine(Ladder ladder) {
        return "%s %s, %d cores, %d thread(s) for each run; Java %d"
                .formatted(
                        System.getProperty("os.name"),
                        System.getProperty("os.arch"),
                        Processors.cores(),
                        ladder.threads(),
                        Runtime.version().feature());
    }

    /** State of one call of {@link #run}. */
    private final class Execution {
        private final StudyFolder folder;
        private final List<Step> steps;
        private final int places;
        private final Map<String, String> environment;
        private final Set<Step> finished = new LinkedHashSet<>();
        private final Set<Step> started = new LinkedHashSet<>();
        private final List<RunningStep> running = new ArrayList<>();
        private final List<String> failures = new ArrayList<>();
        private final StepRates rates = new StepRates();
        private final EnergyMeter energy;

        Execution(StudyFolder folder, List<Step> steps, Ladder ladder, int places) {
            this.folder = folder;
            this.steps = steps;
            this.places = places;
            this.environment = new HashMap<>(settings.environment());
            environment.put("OMP_NUM_THREADS", Integer.toString(ladder.threads()));
            environment.put("OPENBLAS_NUM_THREADS", Integer.toString(ladder.threads()));
            this.energy = ladder.onProcessors() ? EnergyMeter.start() : EnergyMeter.none();
            for (Step step : steps) {
                StudyFolder.result(step.folder()).ifPresent(result -> {
                    finished.add(step);
                    rates.add(step, result.seconds());
                });
            }
        }

        void run(BooleanSupplier stop) {
            try {
                while (!stop.getAsBoolean() && (startMore() || !running.isEmpty())) {
                    TimeUnit.NANOSECONDS.sleep(TICK.toNanos());
                    shareEnergy();
                    collectEnded(stop.getAsBoolean());
                    progress.accept(progressNow());
                }
                running.forEach(RunningStep::stop);
                while (!running.isEmpty()) {
                    TimeUnit.NANOSECONDS.sleep(TICK.toNanos());
                    running.removeIf(each -> !each.alive());
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new StudyException("the study was interrupted", e);
            } finally {
                running.forEach(RunningStep::kill);
            }
        }

        /** Starts steps until all places are taken. Returns whether any step is running. */
        private boolean startMore() {
            for (Step step : steps) {
                if (running.size() >= places) {
                    break;
                }
                if (!finished.contains(step) && !started.contains(step) && finished.containsAll(step.needs())) {
                    started.add(step);
                    folder.begin(step);
                    log.accept(step.title() + " (" + step.name() + ")");
                    running.add(RunningStep.start(step, settings.program(), environment));
                }
            }
            return !running.isEmpty();
        }

        /** Splits the energy since the last call evenly among the running steps. */
        private void shareEnergy() {
            OptionalDouble joules = energy.joules();
            if (joules.isPresent()) {
                running.forEach(each -> each.addJoules(joules.getAsDouble() / running.size()));
            }
        }

        /**
         * Records the results of steps that have ended.
         *
         * @param stopped whether the study is ending. Ctrl-C reaches the children too, so their exit codes are ignored then
         */
        private void collectEnded(boolean stopped) {
            for (RunningStep each : List.copyOf(running)) {
                if (each.alive()) {
                    continue;
                }
                running.remove(each);
                Step step = each.step();
                if (each.code() == 0) {
                    StudyFolder.Result result = each.result();
                    folder.finish(step, result);
                    finished.add(step);
                    rates.add(step, result.seconds());
                    log.accept("finished: " + step.title());
                } else if (!stopped) {
                    String failure = "%s ended with exit code %d: %s; see %s"
                            .formatted(
                                    step.title(),
                                    each.code(),
                                    RunningStep.lastLine(RunningStep.log(step)),
                                    RunningStep.log(step));
                    failures.add(failure);
                    log.accept("failed: " + failure);
                }
            }
        }

        private Progress progressNow() {
            List<Running> lines = new ArrayList<>();
            for (RunningStep each : running) {
                lines.add(new Running(each.step().title(), each.fractionDone(), each.status(), each.timeLeft()));
            }
            List<Step> waiting = steps.stream()
                    .filter(step -> !finished.contains(step) && !started.contains(step))
                    .toList();
            return new Progress(finished.size(), steps.size(), lines, rates.timeLeft(waiting, running, places));
        }
    }
}
