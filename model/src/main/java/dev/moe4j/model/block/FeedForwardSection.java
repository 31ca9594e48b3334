package dev.moe4j.model.block;

import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.SavedTensors;
import dev.moe4j.tensor.autograd.Section;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The dense feed-forward network, also used for shared experts: residual + dropout(fc2(dropout(activation(fc1(h))))).
 * Inputs: the residual stream and its normalised form h, [tokens, model] each. Output: [tokens, model].
 *
 * @param lean whether only fc1's result is saved; backward recomputes the rest
 */
public record FeedForwardSection(
        String name, FeedForward network, Dropout activationDropout, Dropout dropout, boolean lean)
        implements Section.CustomBackward {

    @Override
    public List<Parameter> parameters() {
        return network.parameters();
    }

    @Override
    public Tensor[] forward(SavedTensors saved, Tensor... inputs) {
        Tensor residual_TD = inputs[0];
        Tensor h_TD = inputs[1];
        Tensor inner = network.fc1().forward(h_TD);
        Tensor innerMask_TF = mask(inner);
        Tensor active_TF = active(inner, innerMask_TF);
        Tensor out_TD = network.fc2().forward(active_TF);
        Tensor mask_TD = dropout.mask(residual_TD);
        saved.save(inner);
        if (!lean) {
            saved.save(active_TF, innerMask_TF, mask_TD);
        }
        Linear gate = network.outputGate();
        if (gate != null) {
            out_TD.mulInPlace(gate.forward(h_TD).sigmoid());
        }
        if (network.residual() != 1) {
            out_TD.mulInPlace(network.residual());
        }
        Dropout.multiply(out_TD, mask_TD);
        return new Tensor[] {out_TD.addInPlace(residual_TD)};
    }

    @Override
    public @Nullable Tensor[] backward(SavedTensors saved, @Nullable Tensor... gradients) {
        Tensor gradient_TD = gradients[0];
        if (gradient_TD == null) {
            return new @Nullable Tensor[2];
        }
        Tensor inner = saved.get(0);
        Tensor innerMask_TF = lean ? mask(inner) : saved.find(2);
        Tensor active_TF = lean ? active(inner, innerMask_TF) : saved.get(1);
        Tensor mask_TD = lean ? dropout.mask(saved.input(0)) : saved.find(3);
        Tensor dropped_TD = mask_TD == null ? gradient_TD : gradient_TD.mul(mask_TD);
        Tensor scaled_TD = network.residual() == 1 ? dropped_TD : dropped_TD.mul(network.residual());
        Linear gate = network.outputGate();
        Tensor h_TD = saved.input(1);
        Tensor gate_T1 = gate == null ? null : gate.forward(h_TD).sigmoid();
        Tensor out_TD = gate_T1 == null ? scaled_TD : scaled_TD.mul(gate_T1);
        network.fc2().addGradients(out_TD, active_TF);
        Tensor activeGradient_TF = network.fc2().backward(out_TD);
        Dropout.multiply(activeGradient_TF, innerMask_TF);
        Tensor innerGradient = network.inner().backward(activeGradient_TF, inner);
        network.fc1().addGradients(innerGradient, h_TD);
        Tensor hGradient_TD = network.fc1().backward(innerGradient);
        if (gate != null && gate_T1 != null) {
            Tensor outputs_TD = network.fc2().forward(active_TF);
            Tensor logit_T1 = outputs_TD
                    .mulInPlace(scaled_TD)
                    .sum(1)
                    .unsqueeze(1)
                    .mulInPlace(gate_T1.mul(gate_T1.mul(-1).add(1)));
            gate.addGradients(logit_T1, h_TD);
            hGradient_TD.addInPlace(gate.backward(logit_T1));
        }
        return new @Nullable Tensor[] {gradient_TD, hGradient_TD};
    }

    /** The dropout mask {@code [tokens, ffn]} of the activations; null if dropout is inactive. */
    private @Nullable Tensor mask(Tensor inner) {
        if (!activationDropout.active()) {
            return null;
        }
        // Only the shape and the type matter.
        return activationDropout.mask(
                inner.narrow(1, 0, inner.size(1) / network.inner().columns()).contiguous());
    }

    private Tensor active(Tensor inner, @Nullable Tensor mask_TF) {
        return Dropout.multiply(network.inner().forward(inner), mask_TF);
    }
}
