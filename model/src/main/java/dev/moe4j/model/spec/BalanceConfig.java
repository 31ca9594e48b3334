package dev.moe4j.model.spec;

/**
 * The load balancing losses, which keep the use of experts even. Configuration keys are these names in snake case under
 * {@code balance}.
 *
 * @param weight the weight of the load balancing loss E · Σ_e fraction_e · mean probability_e (Shazeer et al. 2017,
 *     Lepikhin et al. 2020); 0 turns it off
 * @param scope the source of the first-choice fractions
 * @param combine whether the layers' losses are averaged or summed
 * @param zWeight the weight of the router's z-loss, the mean squared log-sum-exp of its logits (Zoph et al. 2022)
 * @param transform the transformation of the combined loss before it is weighted
 */
public record BalanceConfig(double weight, Scope scope, Combine combine, double zWeight, Transform transform) {

    /** The source of the first-choice fractions, which carry no gradient. */
    public enum Scope {
        /** The routing group, as published. */
        GROUP,
        /** The complete previous step. */
        GLOBAL
    }

    /** How the layers' losses are combined. */
    public enum Combine {
        MEAN,
        SUM
    }

    /** The transformation of the combined loss before it is weighted. */
    public enum Transform {
        /** No transformation. */
        NONE,
        /**
         * G → −log G of each micro-batch, exactly as in the published system. This falls as G grows, so it rewards
         * uneven use. It exists to reproduce runs that used it.
         */
        NEG_LOG
    }

    public static final BalanceConfig DEFAULT = new BalanceConfig(0.01, Scope.GLOBAL, Combine.MEAN, 0);

    public BalanceConfig {
        if (!(weight >= 0) || !(zWeight >= 0)) {
            throw new ModelException("balance.weight and balance.z_weight must not be negative");
        }
    }

    /** Without a transformation. */
    public BalanceConfig(double weight, Scope scope, Combine combine, double zWeight) {
        this(weight, scope, combine, zWeight, Transform.NONE);
    }

    /** The same configuration with all losses turned off. */
    public BalanceConfig off() {
        return new BalanceConfig(0, scope, combine, 0, transform);
    }

    public BalanceConfig withTransform(Transform newTransform) {
        return new BalanceConfig(weight, scope, combine, zWeight, newTransform);
    }
}
