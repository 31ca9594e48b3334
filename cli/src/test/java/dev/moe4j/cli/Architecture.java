package dev.moe4j.cli;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;

import com.tngtech.archunit.core.domain.Dependency;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaCodeUnitAccess;
import com.tngtech.archunit.lang.ArchCondition;
import com.tngtech.archunit.lang.ArchRule;
import com.tngtech.archunit.lang.ConditionEvents;
import com.tngtech.archunit.lang.SimpleConditionEvent;
import dev.moe4j.base.Internal;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.NullMarked;

/**
 * The architecture rules of moe4j's modules and packages. Each rule takes the root package, so that tests can
 * apply it to fixtures that break it. A module is the first name after the root package, a package the first two.
 */
final class Architecture {
    /** The modules from bottom to top, with their direct dependencies. Transitive dependencies are allowed too. */
    static final Map<String, List<String>> MODULES = modules();

    /** The classes of libtorch that {@code parallel} may use: process groups (c10d). */
    private static final Pattern C10D = Pattern.compile("org\\.bytedeco\\.(javacpp\\..*"
            + "|pytorch\\.([A-Za-z0-9]*Store|[A-Za-z0-9]*StoreOptions|ProcessGroup.*|Work|Backend|.*Options|ReduceOp"
            + "|GlooDevice.*|gloo\\.Device|nccl\\.ProcessGroupNCCL|Tensor|TensorVector|LongVector|StringVector)([$].*)?"
            + "|pytorch\\.global\\.torch_(gloo|nccl))");

    private static final Set<String> WALL_CLOCK = Set.of(
            "java.lang.System.currentTimeMillis",
            "java.time.Instant.now",
            "java.time.LocalDateTime.now",
            "java.time.ZonedDateTime.now");

    /** The classes that write the time of day, for people or for other programs. */
    private static final Set<String> MAY_READ_WALL_CLOCK = Set.of(
            "train.metrics.TensorBoard",
            "quickstart.Quickstart",
            "report.ladder.StudyReport",
            "serve.http.CompletionResponse",
            "serve.http.ServedModel",
            "cli.study.QuickstartRun");

    private static final Set<String> RENAMES = Set.of("java.nio.file.Files.move", "java.io.File.renameTo");

    private Architecture() {}

    private static Map<String, List<String>> modules() {
        Map<String, List<String>> all = new LinkedHashMap<>();
        all.put("base", List.of());
        all.put("config", List.of("base"));
        all.put("formats", List.of("base"));
        all.put("tensor", List.of("base"));
        all.put("text", List.of("base"));
        all.put("data", List.of("text"));
        all.put("parallel", List.of("tensor"));
        all.put("model", List.of("config", "formats", "text", "parallel"));
        all.put("eval", List.of("model", "data"));
        all.put("train", List.of("eval"));
        all.put("plan", List.of("train"));
        all.put("finetune", List.of("train"));
        all.put("study", List.of("train"));
        all.put("report", List.of("study"));
        all.put("quickstart", List.of("report"));
        all.put("serve", List.of("model"));
        all.put("console", List.of("train"));
        all.put("bench", List.of("console", "plan", "serve"));
        all.put("cli", List.of("bench", "finetune", "quickstart"));
        return all;
    }

    /** A class uses only its own module and that module's dependencies. */
    static ArchRule modulesPointDown(String root) {
        return classes().should(check("use only their own module and its dependencies", (type, events) -> {
            Set<String> usable = reachable(module(root, type), MODULES);
            for (Dependency dependency : type.getDirectDependenciesFromSelf()) {
                JavaClass target = dependency.getTargetClass().getBaseComponentType();
                if (target.getPackageName().startsWith(root + ".") && !usable.contains(module(root, target))) {
                    violated(events, type, dependency.getDescription());
                }
            }
        }));
    }

    /** Returns the packages that depend on themselves through other packages, inside a module or between modules. */
    static Set<String> packagesInCycles(String root, Iterable<JavaClass> types) {
        Map<String, List<String>> uses = new TreeMap<>();
        for (JavaClass type : types) {
            for (Dependency dependency : type.getDirectDependenciesFromSelf()) {
                JavaClass target = dependency.getTargetClass().getBaseComponentType();
                if (target.getPackageName().startsWith(root + ".")
                        && !target.getPackageName().equals(type.getPackageName())) {
                    uses.computeIfAbsent(relativePackage(root, type), _ -> new ArrayList<>())
                            .add(relativePackage(root, target));
                }
            }
        }
        Set<String> cyclic = new TreeSet<>(uses.keySet());
        cyclic.removeIf(name -> uses.getOrDefault(name, List.of()).stream()
                .noneMatch(used -> reachable(used, uses).contains(name)));
        return cyclic;
    }

    /** A package lies in a module, at most one level below the module's root package. */
    static ArchRule packagesLieInModules(String root) {
        return classes().should(check("lie in a module, at most one level below its root", (type, events) -> {
            String[] names = relativePackage(root, type).split("\\.", -1);
            if (!MODULES.containsKey(names[0])) {
                violated(events, type, "its package is not in a module");
            } else if (names.length > 2) {
                violated(events, type, "its package is more than one level deep");
            }
        }));
    }

    /** Only its own module uses a package marked {@link Internal}. */
    static ArchRule internalPackagesStayInternal(String root) {
        return classes().should(check("use no internal package of another module", (type, events) -> {
            for (Dependency dependency : type.getDirectDependenciesFromSelf()) {
                JavaClass target = dependency.getTargetClass().getBaseComponentType();
                if (target.getPackageName().startsWith(root + ".")
                        && target.getPackage().isAnnotatedWith(Internal.class)
                        && !module(root, target).equals(module(root, type))) {
                    violated(events, type, dependency.getDescription());
                }
            }
        }));
    }

    static ArchRule libtorchStaysInTensor(String root) {
        return classes()
                .should(check(
                        "use org.bytedeco in tensor only, except for process groups in parallel", (type, events) -> {
                            String module = module(root, type);
                            for (Dependency dependency : type.getDirectDependenciesFromSelf()) {
                                String target = dependency
                                        .getTargetClass()
                                        .getBaseComponentType()
                                        .getName();
                                boolean allowed = module.equals("tensor")
                                        || (module.equals("parallel")
                                                && C10D.matcher(target).matches());
                                if (target.startsWith("org.bytedeco.") && !allowed) {
                                    violated(events, type, dependency.getDescription());
                                }
                            }
                        }));
    }

    /**
     * The constructors {@code X(Pointer)} reinterpret memory, and the compiler selects them for any Pointer
     * argument.
     */
    static ArchRule noPointerCasts() {
        return classes()
                .should(check(
                        "call no constructor X(Pointer)",
                        (type, events) -> Stream.concat(
                                        type.getConstructorCallsFromSelf().stream(),
                                        type.getConstructorReferencesFromSelf().stream())
                                .filter(Architecture::castsPointer)
                                .forEach(call -> violated(events, type, call.getDescription()))));
    }

    /** Durations are measured with {@code System.nanoTime}, since the wall clock may be set during a run. */
    static ArchRule timeIsMonotonic(String root) {
        return classes()
                .should(check(
                        "measure time by System.nanoTime",
                        (type, events) -> type.getMethodCallsFromSelf().stream()
                                .filter(call -> WALL_CLOCK.contains(
                                        call.getTargetOwner().getName() + "." + call.getName()))
                                .filter(_ -> !MAY_READ_WALL_CLOCK.contains(
                                        type.getName().substring(root.length() + 1)))
                                .forEach(call -> violated(events, type, call.getDescription()))));
    }

    /** Only {@code base.file} renames files: without the right fsync calls a power failure loses them. */
    static ArchRule renamesStayInBase(String root) {
        return classes()
                .should(check(
                        "create files and folders by AtomicFile and AtomicFolder",
                        (type, events) -> type.getMethodCallsFromSelf().stream()
                                .filter(call ->
                                        RENAMES.contains(call.getTargetOwner().getName() + "." + call.getName()))
                                .filter(_ -> !type.getPackageName().equals(root + ".base.file"))
                                .forEach(call -> violated(events, type, call.getDescription()))));
    }

    static ArchRule everyPackageIsNullMarked() {
        return classes().should(check("live in a @NullMarked package", (type, events) -> {
            if (!type.getPackage().isAnnotatedWith(NullMarked.class)) {
                violated(events, type, "its package is not @NullMarked");
            }
        }));
    }

    /** Returns the simple names of top-level types that occur in several packages, each with its packages. */
    static Map<String, Set<String>> sharedNames(Iterable<JavaClass> types) {
        Map<String, Set<String>> packages = new TreeMap<>();
        for (JavaClass type : types) {
            if (type.isTopLevelClass() && !type.getSimpleName().equals("package-info")) {
                packages.computeIfAbsent(type.getSimpleName(), _ -> new TreeSet<>())
                        .add(type.getPackageName());
            }
        }
        packages.values().removeIf(names -> names.size() == 1);
        return packages;
    }

    /** Returns a node of a graph and the nodes that it leads to. */
    private static Set<String> reachable(String start, Map<String, List<String>> edges) {
        Set<String> reached = new TreeSet<>();
        Deque<String> open = new ArrayDeque<>(List.of(start));
        while (!open.isEmpty()) {
            String next = open.pop();
            if (reached.add(next)) {
                open.addAll(edges.getOrDefault(next, List.of()));
            }
        }
        return reached;
    }

    private static String module(String root, JavaClass type) {
        return relativePackage(root, type).split("\\.", 2)[0];
    }

    private static String relativePackage(String root, JavaClass type) {
        String name = type.getPackageName();
        return name.startsWith(root + ".") ? name.substring(root.length() + 1) : name;
    }

    private static boolean castsPointer(JavaCodeUnitAccess<?> call) {
        List<JavaClass> parameters = call.getTarget().getRawParameterTypes();
        return call.getTargetOwner().getName().startsWith("org.bytedeco.")
                && parameters.size() == 1
                && parameters.getFirst().getName().equals("org.bytedeco.javacpp.Pointer");
    }

    private static void violated(ConditionEvents events, JavaClass type, String detail) {
        events.add(SimpleConditionEvent.violated(type, type.getName() + ": " + detail));
    }

    private interface Check {
        void run(JavaClass type, ConditionEvents events);
    }

    private static ArchCondition<JavaClass> check(String description, Check check) {
        return new ArchCondition<>(description) {
            @Override
            public void check(JavaClass type, ConditionEvents events) {
                check.run(type, events);
            }
        };
    }
}
