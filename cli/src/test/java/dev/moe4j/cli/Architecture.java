package dev.moe4j.cli;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;

import com.tngtech.archunit.core.domain.Dependency;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaCodeUnitAccess;
import com.tngtech.archunit.lang.ArchCondition;
import com.tngtech.archunit.lang.ArchRule;
import com.tngtech.archunit.lang.ConditionEvents;
import com.tngtech.archunit.lang.SimpleConditionEvent;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.NullMarked;

/** The rules between moe4j's modules. Each takes the root package, so that a test can show what breaks it. */
final class Architecture {
    /** From the ground up. A module may use those of the levels below its own, and none beside it. */
    static final List<Set<String>> LEVELS = List.of(
            Set.of("base"),
            Set.of("tensor", "data"),
            Set.of("parallel"),
            Set.of("model"),
            Set.of("eval"),
            Set.of("train"),
            Set.of("study", "serve", "bench"),
            Set.of("cli"));

    /** What {@code parallel} may use of libtorch: its process groups, c10d. */
    private static final Pattern C10D = Pattern.compile("org\\.bytedeco\\.(javacpp\\..*"
            + "|pytorch\\.([A-Za-z0-9]*Store|[A-Za-z0-9]*StoreOptions|ProcessGroup.*|Work|Backend|.*Options|ReduceOp"
            + "|GlooDevice.*|gloo\\.Device|nccl\\.ProcessGroupNCCL|Tensor|TensorVector|LongVector|StringVector)([$].*)?"
            + "|pytorch\\.global\\.torch_(gloo|nccl))");

    private static final Set<String> WALL_CLOCK = Set.of(
            "java.lang.System.currentTimeMillis",
            "java.time.Instant.now",
            "java.time.LocalDateTime.now",
            "java.time.ZonedDateTime.now");

    /** Those that may. */
    private static final Set<String> TELLS_THE_TIME = Set.of(
            "train.TensorBoard",
            "study.Quickstart",
            "study.StudyReport",
            "serve.CompletionAnswer",
            "serve.ServedModel",
            "cli.QuickstartRun");

    private static final Set<String> RENAMES = Set.of("java.nio.file.Files.move", "java.io.File.renameTo");

    private Architecture() {}

    /** A class uses its own package and those of the levels below. */
    static ArchRule arrowsPointDown(String root) {
        return classes().should(check("use only modules below their own", (type, events) -> {
            for (Dependency dependency : type.getDirectDependenciesFromSelf()) {
                JavaClass target = dependency.getTargetClass().getBaseComponentType();
                if (target.getPackageName().startsWith(root + ".")
                        && !target.getPackageName().equals(type.getPackageName())
                        && level(root, target) >= level(root, type)) {
                    violated(events, type, dependency.getDescription());
                }
            }
        }));
    }

    static ArchRule onePackagePerModule(String root) {
        return classes().should(check("live in the flat package of a known module", (type, events) -> {
            if (level(root, type) < 0) {
                violated(events, type, "its package is no module's");
            }
        }));
    }

    static ArchRule libtorchStaysInTensor(String root) {
        return classes()
                .should(check("use org.bytedeco in tensor only, and in parallel its process groups", (type, events) -> {
                    String module = type.getPackageName();
                    for (Dependency dependency : type.getDirectDependenciesFromSelf()) {
                        String target = dependency
                                .getTargetClass()
                                .getBaseComponentType()
                                .getName();
                        boolean allowed = module.equals(root + ".tensor")
                                || (module.equals(root + ".parallel")
                                        && C10D.matcher(target).matches());
                        if (target.startsWith("org.bytedeco.") && !allowed) {
                            violated(events, type, dependency.getDescription());
                        }
                    }
                }));
    }

    /** {@code X(Pointer)} reinterprets memory, and the compiler picks it for any argument that is a Pointer. */
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

    /**
     * Nothing is measured by a clock that may be set while a run goes on. Only what writes for people and other programs
     * asks for the time of day.
     */
    static ArchRule timeIsMonotonic(String root) {
        return classes()
                .should(check(
                        "measure time by System.nanoTime",
                        (type, events) -> type.getMethodCallsFromSelf().stream()
                                .filter(call -> WALL_CLOCK.contains(
                                        call.getTargetOwner().getName() + "." + call.getName()))
                                .filter(_ -> !TELLS_THE_TIME.contains(
                                        type.getName().replaceFirst("^" + Pattern.quote(root) + "\\.", "")))
                                .forEach(call -> violated(events, type, call.getDescription()))));
    }

    /** A rename without the right fsync calls loses files in a power failure, so {@code base} alone renames. */
    static ArchRule renamesStayInBase(String root) {
        return classes()
                .should(check(
                        "create files and folders by AtomicFile and AtomicFolder",
                        (type, events) -> type.getMethodCallsFromSelf().stream()
                                .filter(call ->
                                        RENAMES.contains(call.getTargetOwner().getName() + "." + call.getName()))
                                .filter(_ -> !type.getPackageName().equals(root + ".base"))
                                .forEach(call -> violated(events, type, call.getDescription()))));
    }

    static ArchRule everyPackageIsNullMarked() {
        return classes().should(check("live in a @NullMarked package", (type, events) -> {
            if (!type.getPackage().isAnnotatedWith(NullMarked.class)) {
                violated(events, type, "its package is not @NullMarked");
            }
        }));
    }

    private static boolean castsPointer(JavaCodeUnitAccess<?> call) {
        List<JavaClass> parameters = call.getTarget().getRawParameterTypes();
        return call.getTargetOwner().getName().startsWith("org.bytedeco.")
                && parameters.size() == 1
                && parameters.getFirst().getName().equals("org.bytedeco.javacpp.Pointer");
    }

    private static int level(String root, JavaClass type) {
        for (int level = 0; level < LEVELS.size(); level++) {
            for (String module : LEVELS.get(level)) {
                if (type.getPackageName().equals(root + "." + module)) {
                    return level;
                }
            }
        }
        return -1;
    }

    private static void violated(ConditionEvents events, JavaClass type, String what) {
        events.add(SimpleConditionEvent.violated(type, type.getName() + ": " + what));
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
