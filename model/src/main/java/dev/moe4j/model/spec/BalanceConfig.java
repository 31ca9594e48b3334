package dev.moe4j.model.spec;

/**
 * The losses that keep experts in even use. Configuration keys are these names in snake case under {@code balance}.
 *
 * @param weight of the balance loss E · Σ_e fraction_e · mean probability_e (Shazeer et al. 2017, Lepikhin et al.
 *     2020); 0 turns it off
 * @param scope where the first-choice fractions come from
 * @param combine whether layers' balance losses are averaged or summed
 * @param zWeight of the router's z-loss, the mean squared log-sum-exp of its logits (Zoph et al. 2022)
 * @param transform what becomes of the combined balance loss before the weight multiplies it
 */
public record BalanceConfig(double weight, Scope scope, Combine combine, double zWeight, Transform transform) {

    /** Where the first-choice fractions come from; they carry no gradient. */
    public enum Scope {
        /** From the routing group itself, as published. */
        GROUP,
        /** From the whole previous step. */
        GLOBAL
    }

    /** How the layers' balance losses become one. */
    public enum Combine {
        MEAN,
        SUM
    }

    /** What becomes of the combined balance loss before the weight multiplies it. */
    public enum Transform {
        /** It stays as it is. */
        NONE,
        /**
         * G → −log G of each micro-batch, literally as the published system has it. This falls as G grows, so it rewards
         * uneven use: it is there to repeat runs that had it.
         */
        NEG_LOG
    }

    public static final BalanceConfig DEFAULT = new BalanceConfig(0.01, Scope.GLOBAL, Combine.MEAN, 0);

    public BalanceConfig {
        if (!(weight >= 0) || !(zWeight >= 0)) {
            throw new ModelException("balance.weight and balance.z_weight must not be negative");
        }
    }

    /** Balance losses without a transformation. */
    public BalanceConfig(double weight, Scope scope, Combine combine, double zWeight) {
        this(weight, scope, combine, zWeight, Transform.NONE);
    }

    /** No balance loss at all. */
    public BalanceConfig off() {
        return new BalanceConfig(0, scope, combine, 0, transform);
    }

    public BalanceConfig withTransform(Transform newTransform) {
        return new BalanceConfig(weight, scope, combine, zWeight, newTransform);
    }
}
