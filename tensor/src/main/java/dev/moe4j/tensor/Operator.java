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
import org.bytedeco.pytorch.Type;
import org.jspecify.annotations.Nullable;

/**
 * Calls a libtorch operator by its name through the dispatcher. JavaCPP's binding lacks some operators, such as those with
 * a leading underscore. The number of arguments is checked, because a boxed call with too few arguments reads garbage.
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

    /** The operator {@code namespace::name} or {@code namespace::name.overload}, looked up on the first call. */
    static Operator named(String qualified) {
        int dot = qualified.indexOf('.');
        return dot < 0
                ? new Operator(qualified, "")
                : new Operator(qualified.substring(0, dot), qualified.substring(dot + 1));
    }

    /** Calls the operator and returns its single result. */
    Tensor call(@Nullable Object... arguments) {
        try (IValueVector stack = invoke(arguments);
                IValue result = stack.get(0)) {
            return Scope.adoptCopy(result.toTensor());
        }
    }

    /** Calls an operator that writes to its arguments. */
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
                stack.push_back(temporary(box(argument, temporaries), temporaries));
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
            case List<?> list -> new IValue(list(list, temporaries));
            default -> throw new TensorException("cannot pass a " + argument.getClass() + " to an operator");
        };
    }

    /** A {@code Tensor[]} argument. Adds its native objects to {@code temporaries}, which live until the call has ended. */
    private static GenericList list(List<?> tensors, List<Pointer> temporaries) {
        TensorVector vector = temporary(Functions.vector(tensors.toArray(Tensor[]::new)), temporaries);
        TensorList typed = temporary(new TensorList(vector), temporaries);
        Type.TypePtr elementType = temporary(typed.elementType(), temporaries);
        GenericList list = temporary(new GenericList(elementType), temporaries);
        for (Object tensor : tensors) {
            list.push_back(temporary(new IValue(((Tensor) tensor).handle()), temporaries));
        }
        return list;
    }

    private static <P extends Pointer> P temporary(P pointer, List<Pointer> temporaries) {
        temporaries.add(pointer);
        return pointer;
    }

    private static Tensor[] tensors(@Nullable Object... arguments) {
        return Arrays.stream(arguments)
                .filter(Tensor.class::isInstance)
                .map(Tensor.class::cast)
                .toArray(Tensor[]::new);
    }
}
