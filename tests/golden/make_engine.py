"""Golden values for tests/engine.rs, from PyTorch and Hugging Face transformers.

    python -m venv /tmp/golden && /tmp/golden/bin/pip install torch transformers
    /tmp/golden/bin/python tests/golden/make_engine.py

Writes, beside this file:
    engine_<variant>/       a tiny LlamaForCausalLM as `save_pretrained` leaves it
    engine.json             its logits, losses, gradient norms, an AdamW trajectory, a greedy text

`make_engine.py --open DIR` instead opens a folder that the kit wrote, with transformers, and prints
the loss on the sequences below (their tokens taken modulo the vocabulary).

Made with torch 2.15.0 and transformers 5.23.0.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

torch.set_num_threads(1)  # tiny models: threads only wait for each other
HERE = Path(__file__).parent
VARIANTS = {"tied": dict(num_key_value_heads=4, tie_word_embeddings=True),
            "grouped_untied": dict(num_key_value_heads=2, tie_word_embeddings=False)}
SEQUENCES = [[(i * 7 + j * 5 + 3) % 37 for j in range(n)] for i, n in enumerate([9, 2, 17, 5])]
LR, STEPS = 1e-2, 5
ADAMW = dict(betas=(0.9, 0.95), eps=1e-8)
WEIGHT_DECAY, CLIP = 0.1, 1.0


def log_probs(model, sequence):
    """Log-probability of each next token, and the entropy at each of these places."""
    ids = torch.tensor([sequence])
    logits = model(ids).logits[0, :-1].log_softmax(-1)
    entropy = -(logits.exp() * logits).sum(-1)
    return logits.gather(1, ids[0, 1:, None])[:, 0], entropy


def loss_of(model):
    return -torch.cat([log_probs(model, s)[0] for s in SEQUENCES]).mean()


def optimizer_of(model):
    """Decay on matrices only, as the kit does."""
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    others = [p for p in model.parameters() if p.dim() < 2]
    groups = [dict(params=matrices, weight_decay=WEIGHT_DECAY), dict(params=others, weight_decay=0.0)]
    return torch.optim.AdamW(groups, lr=LR, **ADAMW)


def golden(name, variant):
    torch.manual_seed(11)
    # No padding token: torch.nn.Embedding would drop its gradient.
    config = LlamaConfig(vocab_size=37, hidden_size=24, intermediate_size=40, num_hidden_layers=2,
                         num_attention_heads=4, max_position_embeddings=64, rms_norm_eps=1e-5,
                         rope_theta=500.0, initializer_range=0.2, attn_implementation="eager",
                         bos_token_id=1, eos_token_id=2, **variant)
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():  # norms that are not all one
        for key, p in model.named_parameters():
            if p.dim() == 1:
                p.add_(0.1 * torch.randn_like(p))
    model.save_pretrained(HERE / f"engine_{name}")
    out = {"sequences": SEQUENCES, "logits_last": model(torch.tensor([SEQUENCES[2]])).logits[0].tolist()}
    both = [log_probs(model, s) for s in SEQUENCES]
    out["log_probs"] = torch.cat([a for a, _ in both]).tolist()
    out["entropies"] = torch.cat([b for _, b in both]).tolist()
    prompt = torch.tensor([SEQUENCES[0]])
    text = model.generate(prompt, do_sample=False, max_new_tokens=12, attention_mask=torch.ones_like(prompt))
    out["greedy"] = text[0, prompt.shape[1]:].tolist()

    loss = loss_of(model)
    loss.backward()
    out["loss"] = loss.item()
    out["gradient_norms"] = {key: p.grad.norm().item() for key, p in model.named_parameters()}
    model.zero_grad()

    optimizer = optimizer_of(model)
    out["adamw"] = {"losses": [], "norms": []}
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = loss_of(model)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        out["adamw"]["losses"].append(loss.item())
        out["adamw"]["norms"].append(norm.item())
    out["adamw"]["losses"].append(loss_of(model).item())
    out["adamw"]["weight_norms"] = {key: p.norm().item() for key, p in model.named_parameters()}
    return out


def main():
    if sys.argv[1:2] == ["--open"]:
        model = LlamaForCausalLM.from_pretrained(sys.argv[2]).eval()
        print(model.config)
        print("loss", loss_of(model).item())
        return
    values = {name: golden(name, variant) for name, variant in VARIANTS.items()}

    def rounded(x):
        if isinstance(x, float):
            return float(f"{x:.8g}")
        if isinstance(x, list):
            return [rounded(y) for y in x]
        return {k: rounded(v) for k, v in x.items()} if isinstance(x, dict) else x

    (HERE / "engine.json").write_text(json.dumps(rounded(values)) + "\n")


if __name__ == "__main__":
    main()
