"""Golden values of PPO from a trainer that others use, verl: writes ppo_peer.json beside this file.

    python3 -m venv /tmp/verl
    /tmp/verl/bin/pip install verl==0.9.1 torch==2.15.0 ray tensordict transformers codetiming orjson
    /tmp/verl/bin/python make_ppo_peer.py

Eight responses of different lengths, two to a prompt, as verl takes them: padded, with a mask. Everything comes
from `verl.trainer.ppo.core_algos`, at the settings where it computes what PPO's papers say: token means, and
no second clip of large ratios (`clip_ratio_c` out of reach). Inputs are stored with the outputs.

verl divides the sum of squares by n - 1 when it whitens, the kit by n; the test accounts for it.
"""

import json
import pathlib

import numpy
import torch
from verl.trainer.ppo import core_algos
from verl.workers.config import ActorConfig

torch.set_default_dtype(torch.float64)
generator = torch.Generator().manual_seed(2406)
LENGTHS = [3, 10, 7, 1, 5, 8, 2, 10]
GROUPS = [0, 0, 1, 1, 2, 2, 3, 3]
PASSED = [1, 0, 1, 1, 0, 0, 0, 1]
CLIP, GAMMA, LAMBDA, KL = 0.2, 1.0, 0.9, 0.1
B, T = len(LENGTHS), max(LENGTHS)


def normal(scale, shift=0.0):
    # Rounded through float32: the test reads exactly these numbers.
    return (torch.randn(B, T, generator=generator) * scale + shift).float().double()


mask = torch.tensor([[float(t < length) for t in range(T)] for length in LENGTHS])
old = normal(0.6, -1.0).clamp(max=-0.01)
new = (old + normal(0.3)).float().double()
reference = (old + normal(0.2)).float().double()
values, new_values = normal(0.3, 0.5), normal(0.3, 0.5)

kl = core_algos.kl_penalty(old, reference, "k1")
rewards = -KL * kl * mask
for row, (length, passed) in enumerate(zip(LENGTHS, PASSED)):
    rewards[row, length - 1] += passed
advantages, returns = core_algos.compute_gae_advantage_return(rewards, values, mask, GAMMA, LAMBDA)

config = ActorConfig(strategy="fsdp", rollout_n=2, ppo_micro_batch_size_per_gpu=1, clip_ratio=CLIP, clip_ratio_low=CLIP, clip_ratio_high=CLIP, clip_ratio_c=1e6)
new_leaf = new.clone().requires_grad_(True)
policy_loss, metrics = core_algos.compute_policy_loss_vanilla(old, new_leaf, advantages, mask, "token-mean", config)
policy_loss.backward()
value_leaf = new_values.clone().requires_grad_(True)
value_loss, value_clip_fraction = core_algos.compute_value_loss(value_leaf, returns, values, mask, CLIP)
value_loss.backward()

outcomes = torch.zeros(B, T)
for row, (length, passed) in enumerate(zip(LENGTHS, PASSED)):
    outcomes[row, length - 1] = passed
group, _ = core_algos.compute_grpo_outcome_advantage(outcomes, mask, numpy.array(GROUPS), norm_adv_by_std_in_grpo=False)
leave_one_out, _ = core_algos.compute_rloo_outcome_advantage(outcomes, mask, numpy.array(GROUPS))


def rows(padded):
    return [row[:length].tolist() for row, length in zip(padded.detach(), LENGTHS)]


golden = {
    "clip": CLIP, "gamma": GAMMA, "lambda": LAMBDA, "kl_coefficient": KL, "passed": PASSED, "groups": GROUPS,
    "old": rows(old), "new": rows(new), "reference": rows(reference), "values": rows(values), "new_values": rows(new_values),
    "kl_k1": rows(kl), "kl_k3": rows(core_algos.kl_penalty(old, reference, "k3")),
    "rewards": rows(rewards), "whitened_advantages": rows(advantages), "returns": rows(returns),
    "policy_loss": policy_loss.item(), "policy_gradient": rows(new_leaf.grad),
    "clip_fraction_of_loss": float(metrics["actor/pg_clipfrac"]),
    "value_loss": value_loss.item(), "value_gradient": rows(value_leaf.grad),
    "group_advantages": rows(group), "leave_one_out_advantages": rows(leave_one_out),
}
path = pathlib.Path(__file__).with_name("ppo_peer.json")
path.write_text(json.dumps(golden) + "\n")
