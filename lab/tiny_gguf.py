#!/usr/bin/env python3
"""Makes a tiny llama model with random weights and a byte-level tokenizer.

    tiny_gguf.py OUT.gguf [SEED]     needs PyPI's gguf and numpy

The same seed gives the same bytes (under 1 MB). It answers with nonsense, at once,
on any machine: enough to prove every step between a client and an engine.
"""
import sys

import gguf
import numpy as np

WIDTH, LAYERS, HEADS, KV_HEADS, FEED_FORWARD, CONTEXT = 64, 2, 4, 2, 128, 2048


def vocabulary():
    """Three control tokens, one token a byte, and the printable characters."""
    tokens, types, scores = [b"<unk>", b"<s>", b"</s>"], [gguf.TokenType.UNKNOWN, *[gguf.TokenType.CONTROL] * 2], [0.0] * 3
    for byte in range(256):
        tokens.append(f"<0x{byte:02X}>".encode())
        types.append(gguf.TokenType.BYTE)
        scores.append(0.0)
    for rank, character in enumerate(["\u2581", *map(chr, range(33, 127))]):
        tokens.append(character.encode())
        types.append(gguf.TokenType.NORMAL)
        scores.append(-1.0 - rank)
    return tokens, types, scores


def main(out, seed=7):
    random = np.random.default_rng(seed)
    tokens, types, scores = vocabulary()
    w = gguf.GGUFWriter(out, "llama")
    w.add_name("tiny-random")
    w.add_context_length(CONTEXT)
    w.add_embedding_length(WIDTH)
    w.add_block_count(LAYERS)
    w.add_feed_forward_length(FEED_FORWARD)
    w.add_head_count(HEADS)
    w.add_head_count_kv(KV_HEADS)
    w.add_layer_norm_rms_eps(1e-5)
    w.add_rope_dimension_count(WIDTH // HEADS)
    w.add_vocab_size(len(tokens))
    w.add_file_type(gguf.LlamaFileType.ALL_F32)
    w.add_tokenizer_model("llama")
    w.add_tokenizer_pre("default")
    w.add_token_list(tokens)
    w.add_token_scores(scores)
    w.add_token_types(types)
    w.add_bos_token_id(1)
    w.add_eos_token_id(2)
    w.add_unk_token_id(0)
    w.add_add_bos_token(True)
    w.add_add_eos_token(False)
    w.add_chat_template(
        "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
        "{% if add_generation_prompt %}assistant:{% endif %}"
    )

    def tensor(*shape):
        return (random.standard_normal(shape) * 0.05).astype(np.float32)

    w.add_tensor("token_embd.weight", tensor(len(tokens), WIDTH))
    w.add_tensor("output.weight", tensor(len(tokens), WIDTH))
    w.add_tensor("output_norm.weight", np.ones(WIDTH, np.float32))
    kv = WIDTH // HEADS * KV_HEADS
    shapes = {
        "attn_q": (WIDTH, WIDTH), "attn_k": (kv, WIDTH), "attn_v": (kv, WIDTH), "attn_output": (WIDTH, WIDTH),
        "ffn_gate": (FEED_FORWARD, WIDTH), "ffn_up": (FEED_FORWARD, WIDTH), "ffn_down": (WIDTH, FEED_FORWARD),
    }
    for layer in range(LAYERS):
        for name, shape in shapes.items():
            w.add_tensor(f"blk.{layer}.{name}.weight", tensor(*shape))
        w.add_tensor(f"blk.{layer}.attn_norm.weight", np.ones(WIDTH, np.float32))
        w.add_tensor(f"blk.{layer}.ffn_norm.weight", np.ones(WIDTH, np.float32))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:3]))
