package dev.moe4j.tensor;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.Dispatcher;
import org.bytedeco.pytorch.GenericList;
import org.bytedeco.pytorch.IValue;
import org.bytedeco.pytorch.IValueVector;
import org.bytedeco.pytorch.OperatorHandle;
import org.bytedeco.pytorch.TensorList;
import org.bytedeco.pytorch.TensorVector;
import org.jspecify.annotations.Nullable;

/**
 * An operator of libtorch reached by its name in the dispatcher: those that the binding leaves out, such as all that
 * begin with an underscore. The number of arguments is checked, since a call with too few reads garbage.
 */
final class Operator {

    private final String name;
    private final String overload;
    private @Nullable OperatorHandle handle;
    private long arity;

    private Operator(String name, String overload) {
        this.name = name;
        this.overload = overload;
    }

    /** The operator called {@code namespace::name} or {@code namespace::name.overload}; looked up at its first call. */
    static Operator named(String qualified) {
        int dot = qualified.indexOf('.');
        return dot < 0
                ? new Operator(qualified, "")
                : new Operator(qualified.substring(0, dot), qualified.substring(dot + 1));
    }

    /** Calls the operator and returns its only result. */
    Tensor call(@Nullable Object... arguments) {
        try (IValueVector stack = invoke(arguments);
                IValue result = stack.get(0)) {
            return Scope.adoptCopy(result.toTensor());
        }
    }

    /** Calls an operator that works in place. */
    void callInPlace(@Nullable Object... arguments) {
        invoke(arguments).close();
    }

    private IValueVector invoke(@Nullable Object... arguments) {
        OperatorHandle operator = lookUp();
        if (arguments.length != arity) {
            throw new TensorException(name + " takes " + arity + " arguments, not " + arguments.length);
        }
        List<Pointer> temporaries = new ArrayList<>();
        IValueVector stack = new IValueVector();
        try {
            for (Object argument : arguments) {
                IValue value = box(argument, temporaries);
                temporaries.add(value);
                stack.push_back(value);
            }
            operator.callBoxed(stack);
            return stack;
        } catch (RuntimeException e) {
            stack.close();
            throw TensorException.of(name, e, tensors(arguments));
        } finally {
            temporaries.forEach(Pointer::close);
        }
    }

    private synchronized OperatorHandle lookUp() {
        OperatorHandle known = handle;
        if (known == null) {
            try {
                known = Dispatcher.singleton().findSchemaOrThrow(name, overload);
            } catch (RuntimeException e) {
                throw TensorException.of("looking up " + name + "." + overload, e);
            }
            arity = known.schema().arguments().limit();
            handle = known;
        }
        return known;
    }

    private static IValue box(@Nullable Object argument, List<Pointer> temporaries) {
        return switch (argument) {
            case null -> new IValue();
            case Tensor tensor -> new IValue(tensor.handle());
            case Double number -> new IValue(number);
            case Long number -> new IValue(number);
            case Boolean flag -> new IValue(flag);
            case List<?> list -> {
                TensorVector vector = Functions.vector(list.toArray(Tensor[]::new));
                TensorList typed = new TensorList(vector);
                GenericList generic = new GenericList(typed.elementType());
                for (Object element : list) {
                    IValue boxed = new IValue(((Tensor) element).handle());
                    generic.push_back(boxed);
                    temporaries.add(boxed);
                }
                temporaries.add(vector);
                temporaries.add(typed);
                temporaries.add(generic);
                yield new IValue(generic);
            }
            default -> throw new TensorException("cannot pass a " + argument.getClass() + " to an operator");
        };
    }

    private static Tensor[] tensors(@Nullable Object... arguments) {
        return Arrays.stream(arguments)
                .filter(Tensor.class::isInstance)
                .map(Tensor.class::cast)
                .toArray(Tensor[]::new);
    }
}
