"""The PyTorch side of the comparison with the kit's engine; `benches/engine_compare.py` drives it.

The same decoder (Llama architecture), weights, batches and recipes as the kit, in eager PyTorch as a
careful user would write it for a CPU:

- projections of one input are one matrix (q, k and v; gate and up), made so when the weights load;
- `F.scaled_dot_product_attention` and `F.rms_norm`; fused AdamW; `clip_grad_norm_` on all at once;
- training: `--batch packed` (sequences one after another, padded only inside attention) or `padded`;
  the output projection is applied to the predicted positions only;
- sampling: distinct prompts are read once, the key-value cache is allocated once, all rows advance
  together under `inference_mode`, rows that have ended are dropped from the batch as they become many;
- `generate`: `transformers` with the same weights, `do_sample=True`, `top_k=0`.

Reads one task a line, answers one line of JSON, as `benches/engine/worker.rs` does.
"""

import argparse
import json
import math
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file


class Block:
    """Weights of one transformer block."""

    def __init__(self, tensors, layer, train):
        take = lambda part: tensors[f"model.layers.{layer}.{part}.weight"]
        self.input_norm = take("input_layernorm")
        self.qkv = torch.cat([take(f"self_attn.{part}_proj") for part in "qkv"])
        self.out = take("self_attn.o_proj")
        self.inner_norm = take("post_attention_layernorm")
        self.gate_up = torch.cat([take("mlp.gate_proj"), take("mlp.up_proj")])
        self.down = take("mlp.down_proj")
        for name, tensor in vars(self).items():
            setattr(self, name, tensor.clone().requires_grad_(train))


class Decoder:
    def __init__(self, folder, train=False):
        config = json.loads((Path(folder) / "config.json").read_text())
        self.assemble(config, load_file(Path(folder) / "model.safetensors"), train)

    def assemble(self, config, tensors, train):
        self.config = config
        self.hidden_size = self.config["hidden_size"]
        self.heads = self.config["num_attention_heads"]
        self.kv_heads = self.config["num_key_value_heads"]
        assert self.heads == self.kv_heads, "grouped attention is not part of this comparison"
        self.head_dim = self.hidden_size // self.heads
        self.eps = self.config["rms_norm_eps"]
        self.embedding = tensors["model.embed_tokens.weight"].clone().requires_grad_(train)
        assert self.config["tie_word_embeddings"]
        self.head = self.embedding
        self.blocks = [Block(tensors, layer, train) for layer in range(self.config["num_hidden_layers"])]
        self.norm = tensors["model.norm.weight"].clone().requires_grad_(train)
        positions = torch.arange(self.config["max_position_embeddings"], dtype=torch.float32)
        half = torch.arange(0, self.head_dim, 2, dtype=torch.float32) / self.head_dim
        angles = torch.outer(positions, self.config["rope_theta"] ** -half).repeat(1, 2)
        self.cos, self.sin = angles.cos(), angles.sin()  # (positions, head_dim)

    def parameters(self):
        found = [self.embedding, self.norm]
        for block in self.blocks:
            found += vars(block).values()
        return found

    def rotate(self, x, cos, sin):
        first, second = x.chunk(2, dim=-1)
        return x * cos + torch.cat([-second, first], dim=-1) * sin

    def norm_(self, x, weight):
        return F.rms_norm(x, (self.hidden_size,), weight, self.eps)

    def attention_input(self, block, x, cos, sin):
        """q, k, v of x (..., hidden), each (..., heads, head_dim), rotated."""
        qkv = F.linear(self.norm_(x, block.input_norm), block.qkv)
        qkv = qkv.unflatten(-1, (3, self.heads, self.head_dim))
        q, k, v = qkv.unbind(-3)
        return self.rotate(q, cos, sin), self.rotate(k, cos, sin), v

    def after_attention(self, block, x, mixed):
        x = x + F.linear(mixed, block.out)
        gate, up = F.linear(self.norm_(x, block.inner_norm), block.gate_up).chunk(2, dim=-1)
        return x + F.linear(F.silu(gate) * up, block.down)

    def hidden(self, batch):
        """Hidden states of all read tokens: (tokens, hidden) packed, (rows, length, hidden) padded."""
        x = F.embedding(batch.ids, self.embedding)
        cos, sin = self.cos[batch.positions].unsqueeze(-2), self.sin[batch.positions].unsqueeze(-2)
        for block in self.blocks:
            q, k, v = self.attention_input(block, x, cos, sin)
            if batch.packed:
                q, k, v = (batch.spread(part).transpose(1, 2) for part in (q, k, v))
            else:
                q, k, v = (part.transpose(1, 2) for part in (q, k, v))
            # Padding is on the right: a causal mask already hides it from the tokens before it.
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(-2)
            if batch.packed:
                mixed = mixed.flatten(0, 1).index_select(0, batch.places)
            x = self.after_attention(block, x, mixed)
        return self.norm_(x, self.norm)

    def log_probs(self, hidden, batch, entropy=False):
        """Log-probabilities of the targets (rows,), and the entropies without a graph."""
        logits = F.linear(hidden.flatten(0, -2).index_select(0, batch.rows), self.head)
        if not entropy:
            return -F.cross_entropy(logits, batch.targets, reduction="none")
        log_p = F.log_softmax(logits, dim=-1)
        with torch.no_grad():
            entropies = -(log_p.exp() * log_p).sum(-1)
        return log_p.gather(1, batch.targets.unsqueeze(1)).squeeze(1), entropies


class Batch:
    """Passages (prompt, response): the model reads all tokens but the last, responses are predicted."""

    def __init__(self, passages, packed):
        self.packed = packed
        read = [prompt + response[:-1] for prompt, response in passages]
        lengths = [len(tokens) for tokens in read]
        self.count, self.longest = len(read), max(lengths)
        padded = torch.zeros(self.count, self.longest, dtype=torch.long)
        for row, tokens in enumerate(read):
            padded[row, : len(tokens)] = torch.tensor(tokens)
        lengths_ = torch.tensor(lengths)
        inside = torch.arange(self.longest) < lengths_.unsqueeze(1)
        self.places = inside.flatten().nonzero().squeeze(1)
        positions = torch.arange(self.longest).expand(self.count, -1)
        starts = (lengths_.cumsum(0) - lengths_).tolist() if packed else range(0, self.count * self.longest, self.longest)
        self.ids = padded[inside] if packed else padded
        self.positions = positions[inside] if packed else positions
        rows = [torch.arange(start + len(p) - 1, start + len(p) - 1 + len(r)) for start, (p, r) in zip(starts, passages)]
        self.rows = torch.cat(rows)
        self.targets = torch.cat([torch.tensor(r) for _, r in passages])

    def spread(self, x):
        """(tokens, heads, head_dim) to (sequences, longest, heads, head_dim), zeros between."""
        wide = x.new_zeros(self.count * self.longest, *x.shape[1:])
        return wide.index_copy(0, self.places, x).unflatten(0, (self.count, self.longest))


def split(passages, max_tokens):
    """As `packing::split`: runs of passages with at most `max_tokens` read tokens."""
    runs, start, tokens = [], 0, 0
    for index, (prompt, response) in enumerate(passages):
        size = len(prompt) + len(response) - 1
        if index > start and tokens + size > max_tokens:
            runs.append((start, index))
            start, tokens = index, 0
        tokens += size
    return runs + [(start, len(passages))]


@torch.inference_mode()
def sample(model, prompts, max_new_tokens, lengths=None, value=None):
    """Completions at temperature 1 with their log-probabilities, by a key-value cache; with a value head
    also what it says of each state.

    `lengths[row]`: the row ends with the end token there, wherever it would have ended by itself (to
    repeat the work of another engine's rollouts); without, all rows have `max_new_tokens`."""
    # ---- The distinct prompts, padded on the left, are read once.
    distinct = {}
    of_row = torch.tensor([distinct.setdefault(tuple(prompt), len(distinct)) for prompt in prompts])
    width = max(len(prompt) for prompt in distinct)
    ids = torch.zeros(len(distinct), width, dtype=torch.long)
    padding = torch.tensor([width - len(prompt) for prompt in distinct])
    for row, prompt in enumerate(distinct):
        ids[row, width - len(prompt) :] = torch.tensor(prompt)
    columns = torch.arange(width)
    positions = (columns - padding.unsqueeze(1)).clamp(min=0)
    seen = (columns >= padding.view(-1, 1, 1, 1)) & (columns <= columns.unsqueeze(1))
    seen |= torch.eye(width, dtype=torch.bool)  # padding sees itself: no empty softmax
    cos, sin = model.cos[positions].unsqueeze(-2), model.sin[positions].unsqueeze(-2)
    steps = max_new_tokens if lengths is None else max(lengths)
    rows = len(prompts)
    shape = (2, rows, model.heads, width + steps, model.head_dim)
    caches = [torch.empty(shape) for _ in model.blocks]
    x = F.embedding(ids, model.embedding)
    for block, cache in zip(model.blocks, caches):
        q, k, v = (part.transpose(1, 2) for part in model.attention_input(block, x, cos, sin))
        cache[0, :, :, :width], cache[1, :, :, :width] = k[of_row], v[of_row]
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=seen).transpose(1, 2).flatten(-2)
        x = model.after_attention(block, x, mixed)
    state = model.norm_(x[:, -1], model.norm)
    logits, state = F.linear(state, model.head)[of_row], state[of_row]

    # ---- One token a row and turn.
    padding = padding[of_row]
    mask = (torch.arange(width + steps) >= padding.unsqueeze(1)).view(rows, 1, 1, -1)
    tokens = torch.zeros(rows, steps, dtype=torch.long)
    log_probs, values = torch.zeros(rows, steps), torch.zeros(rows, steps)
    alive = torch.arange(rows)
    left = None if lengths is None else torch.tensor(lengths)
    for step in range(steps):
        log_p = F.log_softmax(logits, dim=-1)
        drawn = torch.multinomial(log_p.exp(), 1)
        chosen = log_p.gather(1, drawn).squeeze(1)
        drawn = drawn.squeeze(1)
        tokens[alive, step], log_probs[alive, step] = drawn, chosen
        if value is not None:
            values[alive, step] = F.linear(state, *value).squeeze(1)
        if step + 1 == steps:
            break
        if left is not None:
            going = left[alive] > step + 1
            count = int(going.sum())
            # Copying the cache costs about as much as a few turns: only when a quarter has ended.
            if count < 0.75 * len(alive):
                keep = going.nonzero().squeeze(1)
                alive, drawn, padding, mask = alive[keep], drawn[keep], padding[keep], mask[keep]
                caches = [cache[:, keep] for cache in caches]
        column = width + step
        x = F.embedding(drawn, model.embedding)  # (rows, hidden)
        at = column - padding
        cos, sin = model.cos[at].unsqueeze(1), model.sin[at].unsqueeze(1)
        visible = mask[..., : column + 1]
        for block, cache in zip(model.blocks, caches):
            q, k, v = model.attention_input(block, x, cos, sin)  # (rows, heads, head_dim)
            cache[0, :, :, column], cache[1, :, :, column] = k, v
            seen_k, seen_v = cache[0, :, :, : column + 1], cache[1, :, :, : column + 1]
            mixed = F.scaled_dot_product_attention(q.unsqueeze(2), seen_k, seen_v, attn_mask=visible)
            x = model.after_attention(block, x, mixed.flatten(1))
        state = model.norm_(x, model.norm)
        logits = F.linear(state, model.head)
    ends = [steps] * rows if lengths is None else lengths
    kept = ((tokens[row, :end].tolist(), log_probs[row, :end], values[row, :end]) for row, end in enumerate(ends))
    return list(kept)


def adamw(parameters, config, lr):
    """As the kit's: decay on matrices only."""
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": config["weight_decay"]},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    betas = (config["beta1"], config["beta2"])
    return torch.optim.AdamW(groups, lr=lr, betas=betas, eps=config["eps"], fused=True)


def rate(schedule, step):
    assert schedule["decay"] == "constant"
    return schedule["peak"] * min(1.0, (step + 1) / max(1, schedule["warmup_steps"]))


def update(optimizer, parameters, clip_norm, lr):
    torch.nn.utils.clip_grad_norm_(parameters, clip_norm, foreach=True)
    for group in optimizer.param_groups:
        group["lr"] = lr
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


class Worker:
    def __init__(self, folder, packed):
        self.folder, self.packed = folder, packed
        self.workload = json.loads((Path(folder) / "workload.json").read_text())
        self.sft_state = self.sampler = self.rl = self.hf = None

    def loss(self, request):
        model = Decoder(self.folder)
        batch = Batch([(e["prompt"], e["response"]) for e in self.workload["sft"]], self.packed)
        with torch.no_grad():
            return {"loss": -model.log_probs(model.hidden(batch), batch).mean().item()}

    def sft(self, request):
        config = self.workload["sft_config"]
        if self.sft_state is None:
            model = Decoder(self.folder, train=True)
            optimizer = adamw(model.parameters(), config["optimizer"], config["learning_rate"]["peak"])
            self.sft_state = [model, optimizer, 0]
        model, optimizer, first = self.sft_state
        passages = [(e["prompt"], e["response"]) for e in self.workload["sft"]]
        losses, tokens = [], sum(len(p) + len(r) - 1 for p, r in passages)
        predicted = sum(len(r) for _, r in passages)
        clock = Clock()
        for step in range(first, first + request["repeats"]):
            loss_sum = 0.0
            for start, end in split(passages, config["tokens_per_microbatch"]):
                batch = Batch(passages[start:end], self.packed)
                loss = -model.log_probs(model.hidden(batch), batch).sum() / predicted
                loss.backward()
                loss_sum += loss.item()
            update(optimizer, model.parameters(), config["optimizer"]["clip_norm"], rate(config["learning_rate"], step))
            losses.append(loss_sum)
            clock.lap()
        self.sft_state[2] += request["repeats"]
        return clock.answer(tokens=tokens, losses=losses)

    def rollout(self, request):
        self.sampler = self.sampler or Decoder(self.folder)
        prompts = self.workload["prompts"]
        prompts = [prompts[row % len(prompts)] for row in range(request["rows"])]
        clock = Clock()
        for _ in range(request["repeats"]):
            completions = sample(self.sampler, prompts, self.workload["new_tokens"])
            clock.lap()
        return clock.answer(tokens=sum(len(tokens) for tokens, _, _ in completions))

    def generate(self, request):
        if self.hf is None:
            from transformers import LlamaForCausalLM

            self.hf = LlamaForCausalLM.from_pretrained(self.folder, dtype=torch.float32).eval()
            # All rows have the full length, as in `rollout`.
            self.hf.generation_config.eos_token_id = None
        prompts = self.workload["prompts"]
        prompts = [prompts[row % len(prompts)] for row in range(request["rows"])]
        width = max(map(len, prompts))
        ids = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in prompts])
        mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
        settings = dict(do_sample=True, top_k=0, top_p=1.0, temperature=1.0, use_cache=True, pad_token_id=0)
        clock = Clock()
        for _ in range(request["repeats"]):
            with torch.inference_mode():
                out = self.hf.generate(
                    input_ids=ids, attention_mask=mask, max_new_tokens=self.workload["new_tokens"], **settings
                )
            clock.lap()
        return clock.answer(tokens=(out.shape[1] - width) * len(prompts))

    def ppo(self, request):
        """Steps of `src/train/ppo` with `ppo` of data/tiers.toml, response lengths given."""
        config = self.workload["ppo_config"]
        if self.rl is None:
            policy = Decoder(self.folder, train=True)
            value = [torch.zeros(1, policy.hidden_size, requires_grad=True), torch.zeros(1, requires_grad=True)]
            self.rl = {
                "policy": policy,
                "reference": Decoder(self.folder),
                "value": value,
                "policy_optimizer": adamw(policy.parameters(), config["optimizer"], 0.0),
                "value_optimizer": adamw(value, config["value_optimizer"], 0.0),
                "step": config["value_warmup_steps"],
            }
        parts = {"sample": [], "score": [], "update": [], "tokens": [], "tokens_scored": [], "tokens_trained": []}
        clock = Clock()
        for lengths in request["lengths"]:
            self.ppo_step(config, lengths, parts)
            clock.lap()
        return clock.answer(**parts)

    def ppo_step(self, config, lengths, parts):
        rl = self.rl
        policy, reference, value = rl["policy"], rl["reference"], rl["value"]

        # ---- Rollouts; log-probabilities and values of sampling are kept as the old ones.
        started = time.perf_counter()
        prompts = [p for p, ends in zip(self.workload["prompts"], lengths) for _ in ends]
        ends = [end for ends in lengths for end in ends]
        completions = sample(policy, prompts, config["max_new_tokens"], ends, value)
        passages = [(prompt, tokens) for prompt, (tokens, _, _) in zip(prompts, completions)]
        parts["sample"].append(time.perf_counter() - started)
        parts["tokens"].append(sum(ends))

        # ---- Scores: what the verifier would say.
        scores, finished = [], 0
        for end in ends:
            done = end < config["max_new_tokens"]
            scores.append(1.0 if done and finished % self.workload["pass_every"] == 0 else 0.0)
            finished += done

        # ---- Reference log-probabilities, without a graph.
        started = time.perf_counter()
        reference_log_probs = []
        with torch.inference_mode():
            for start, end in split(passages, config["tokens_per_microbatch"]):
                batch = Batch(passages[start:end], self.packed)
                reference_log_probs.append(reference.log_probs(reference.hidden(batch), batch))
        reference_log_probs = torch.cat(reference_log_probs)
        old_log_probs = torch.cat([kept for _, kept, _ in completions])
        old_values = torch.cat([kept for _, _, kept in completions])
        parts["tokens_scored"].append(sum(len(p) + len(r) - 1 for p, r in passages))

        # ---- Rewards and advantages. gamma = lambda = 1: the return is the sum of what is to come.
        assert config["gamma"] == config["lambda"] == 1.0 and config["baseline"] == "critic"
        rewards = -config["kl_coefficient"] * (old_log_probs - reference_log_probs)
        last = torch.tensor(ends).cumsum(0) - 1
        rewards[last] += torch.tensor(scores)
        returns = torch.cat([part.flip(0).cumsum(0).flip(0) for part in rewards.split(ends)])
        advantages = returns - old_values
        mean, deviation = advantages.mean(), advantages.std(correction=0)
        advantages = (advantages - mean) / deviation.clamp(min=config["smallest_deviation"])
        parts["score"].append(time.perf_counter() - started)

        # ---- Update.
        started = time.perf_counter()
        of = [list(x.split(ends)) for x in (old_log_probs, advantages, old_values, returns)]
        trained = 0
        for _ in range(config["epochs"]):
            order = torch.randperm(len(passages)).tolist()
            size = math.ceil(len(passages) / config["minibatches"])
            for first in range(0, len(order), size):
                members = order[first : first + size]
                predicted = sum(ends[i] for i in members)
                approx_kl = 0.0
                chosen = [passages[i] for i in members]
                for start, end in split(chosen, config["tokens_per_microbatch"]):
                    old, advantage, old_value, to_fit = (torch.cat([x[i] for i in members[start:end]]) for x in of)
                    batch = Batch(chosen[start:end], self.packed)
                    hidden = policy.hidden(batch)
                    new, entropy = policy.log_probs(hidden, batch, entropy=True)
                    ratio = (new - old).exp()
                    clipped = ratio.clamp(1 - config["clip"], 1 + config["clip"])
                    policy_loss = -torch.minimum(ratio * advantage, clipped * advantage).sum()
                    read = hidden.detach().flatten(0, -2).index_select(0, batch.rows)
                    values = F.linear(read, *value).squeeze(1)
                    near = old_value + (values - old_value).clamp(-config["value_clip"], config["value_clip"])
                    value_loss = 0.5 * torch.maximum((values - to_fit) ** 2, (near - to_fit) ** 2).sum()
                    ((policy_loss + value_loss) / predicted).backward()
                    with torch.no_grad():
                        approx_kl += ((new - old).expm1() - (new - old)).sum().item()
                        _ = entropy.sum().item(), ((ratio - 1).abs() > config["clip"]).sum().item()
                    trained += len(batch.places)
                assert approx_kl / predicted < config["target_kl"], "the policy left the region of its samples"
                step = rl["step"]
                update(rl["value_optimizer"], value, config["value_optimizer"]["clip_norm"], rate(config["value_learning_rate"], step))
                update(rl["policy_optimizer"], policy.parameters(), config["optimizer"]["clip_norm"], rate(config["learning_rate"], step))
        parts["tokens_trained"].append(trained)
        rl["step"] += 1
        parts["update"].append(time.perf_counter() - started)

    def hardware(self, request):
        a = torch.ones(2048, 2048)
        out = torch.empty_like(a)
        return {"threads": torch.get_num_threads(), "gemm_gflops": 2 * 2048**3 / best(6, lambda: torch.mm(a, a, out=out)) * 1e-9}

    def memory(self, request):
        return {"peak_mib": peak_mib()}

    def versions(self, request):
        show = torch.__config__.show()
        wanted = ("Math Kernel", "MKL-DNN", "OpenMP", "capability")
        lines = [line.strip(" -") for line in show.splitlines() if any(word in line for word in wanted)]
        return {"torch": torch.__version__, "threads": torch.get_num_threads(), "build": lines, "batch": "packed" if self.packed else "padded"}

    def answer(self, line):
        request = json.loads(line)
        task = request["task"]
        if task not in ("loss", "sft", "rollout", "generate", "ppo", "hardware", "memory", "versions"):
            sys.exit(f"unknown task {task}")
        return getattr(self, task)(request)


def growth(text):
    """One point of the growth curve: the same sizes and steps as `benches/engine/growth.rs`."""
    point = json.loads(text)
    start = peak_mib()
    hidden, inner, layers = point["hidden_size"], point["intermediate_size"], point["layers"]
    config = {
        "hidden_size": hidden, "num_attention_heads": point["heads"], "num_key_value_heads": point["heads"],
        "num_hidden_layers": layers, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": True,
        "max_position_embeddings": point["context"],
    }  # fmt: skip
    shapes = {"model.embed_tokens": (point["vocabulary"], hidden), "model.norm": (hidden,)}
    for layer in range(layers):
        parts = {f"self_attn.{part}_proj": (hidden, hidden) for part in "qkvo"}
        parts |= {"mlp.gate_proj": (inner, hidden), "mlp.up_proj": (inner, hidden), "mlp.down_proj": (hidden, inner)}
        parts |= {"input_layernorm": (hidden,), "post_attention_layernorm": (hidden,)}
        shapes |= {f"model.layers.{layer}.{part}": shape for part, shape in parts.items()}
    tensors = {f"{name}.weight": torch.randn(shape) * 0.02 for name, shape in shapes.items()}
    model = Decoder.__new__(Decoder)
    model.assemble(config, tensors, True)
    del tensors
    settings = {"beta1": 0.9, "beta2": 0.95, "eps": 1e-8, "weight_decay": 0.0}
    optimizer = adamw(model.parameters(), settings, 3e-4)
    ids = torch.randint(0, point["vocabulary"], (point["batch"], point["context"] + 1)).tolist()
    passages = [(tokens[:1], tokens[1:]) for tokens in ids]
    predicted = point["batch"] * point["context"]
    clock = Clock()
    for _ in range(point["steps"]):
        for first, end in split(passages, point["tokens_per_microbatch"]):
            # All sequences have one length: padded and packed are the same, without copies.
            batch = Batch(passages[first:end], packed=False)
            (-model.log_probs(model.hidden(batch), batch).sum() / predicted).backward()
        update(optimizer, model.parameters(), 1.0, 3e-4)
        clock.lap()
    parameters = sum(p.numel() for p in model.parameters())
    return clock.answer(parameters=parameters, tokens=predicted, start_mib=start, peak_mib=peak_mib())


def peak_mib():
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024


class Clock:
    """Wall and processor time, lap by lap."""

    def __init__(self):
        self.cpu, self.last, self.seconds = time.process_time(), time.perf_counter(), []

    def lap(self):
        now = time.perf_counter()
        self.seconds.append(now - self.last)
        self.last = now

    def answer(self, **rest):
        return rest | {"seconds": self.seconds, "cpu_seconds": time.process_time() - self.cpu}


def best(runs, work):
    least = float("inf")
    for _ in range(runs):
        start = time.perf_counter()
        work()
        least = min(least, time.perf_counter() - start)
    return least


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", help="written by `engine setup DIR`")
    parser.add_argument("--growth", help="measure one point (JSON) and end")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--batch", choices=["packed", "padded"], default="padded")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    if arguments.growth:
        print(json.dumps(growth(arguments.growth)))
        return
    worker = Worker(arguments.folder, arguments.batch == "packed")
    for line in sys.stdin:
        print(json.dumps(worker.answer(line)), flush=True)


if __name__ == "__main__":
    main()
