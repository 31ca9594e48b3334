#!/usr/bin/env python3
"""Hugging Face transformers' mixture of experts, with shapes close to the presets'.

Qwen3-MoE with experts on every second layer, top-2, which transformers computes by grouped products. Its networks have
three matrices (SwiGLU). With a width of 8/3 of the model they take the FLOPs of two matrices of four times the width. FLOPs
are counted for the actual widths. The cross-entropy is computed here, as for the other peers.

Its weights are in bf16, without fp32 masters: when compiled, transformers uses grouped products for bf16 weights only, and
one product per expert for others. So its optimizer moves half the bytes of the other peers'.
"""
import common
import torch


def main():
    parser = common.parser(__doc__, experts=True)
    parser.add_argument("--experts-implementation", default="grouped_mm", help="grouped_mm, batched_mm or eager")
    arguments = common.parse(parser)
    import transformers

    layers, width, heads = common.SHAPES[arguments.preset]
    ffn = round(8 * width / 3 / 8) * 8
    with common.reported("transformers moe", arguments, arguments.experts):
        config = transformers.Qwen3MoeConfig(
            vocab_size=common.vocabulary(arguments),
            hidden_size=width,
            intermediate_size=ffn,
            moe_intermediate_size=ffn,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=heads,
            head_dim=width // heads,
            max_position_embeddings=arguments.context,
            decoder_sparse_step=2,
            num_experts=arguments.experts,
            num_experts_per_tok=2,
            norm_topk_prob=True,
            tie_word_embeddings=True,
            use_cache=False,
        )
        model = transformers.AutoModelForCausalLM.from_config(
            config, dtype=torch.bfloat16, attn_implementation="sdpa"
        )
        model.set_experts_implementation(arguments.experts_implementation)
        model.to(arguments.device).train()
        common.measure(
            arguments,
            "transformers moe",
            model,
            lambda compiled, tokens: common.cross_entropy(compiled(input_ids=tokens[:, :-1]).logits, tokens),
            common.flops_per_token(arguments, arguments.experts, ffn_products=3, ffn=ffn),
            arguments.experts,
            {"experts_by": arguments.experts_implementation, "transformers": transformers.__version__},
        )


if __name__ == "__main__":
    main()
