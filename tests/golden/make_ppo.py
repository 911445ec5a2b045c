"""Golden values of PPO's leaf mathematics, made with PyTorch: writes ppo.json beside this file.

    python3 -m venv /tmp/torch && /tmp/torch/bin/pip install torch && /tmp/torch/bin/python make_ppo.py

Forms follow CleanRL's `ppo.py` and lm-human-preference-details' `train_policy_accelerate.py`; the
gradients are autograd's. Inputs are stored with the outputs, so the test needs no Python.
Computed in float64, so that the Rust side (float32) is compared with the true value.
"""

import json
import pathlib

import torch

torch.set_default_dtype(torch.float64)
generator = torch.Generator().manual_seed(2406)


def normal(n, scale=1.0):
    # Rounded through float32: the test reads exactly these numbers.
    return (torch.randn(n, generator=generator) * scale).float().double()


def gae(rewards, values, gamma, lam):
    # lm-human-preference-details, "6. compute advantages and returns", for one row
    last, reversed_advantages = 0.0, []
    for t in reversed(range(len(rewards))):
        next_value = values[t + 1] if t < len(rewards) - 1 else 0.0
        delta = rewards[t] + gamma * next_value - values[t]
        last = delta + gamma * lam * last
        reversed_advantages.append(last)
    advantages = torch.stack(reversed_advantages[::-1])
    return advantages, advantages + values


def whiten(values):
    mean, var = torch.mean(values), torch.var(values, unbiased=False)
    return (values - mean) * torch.rsqrt(var + 1e-8)


def policy_loss(new, old, advantages, clip):
    ratio = torch.exp(new - old)
    return torch.max(-advantages * ratio, -advantages * torch.clamp(ratio, 1 - clip, 1 + clip))


def value_loss(values, old_values, returns, clip):
    clipped = torch.clamp(values, old_values - clip, old_values + clip)
    return 0.5 * torch.max((values - returns) ** 2, (clipped - returns) ** 2)


def with_gradient(function, first, *rest):
    first = first.clone().requires_grad_(True)
    losses = function(first, *rest)
    losses.mean().backward()
    return losses.detach(), first.grad


golden = {}

cases = []
for gamma, lam in [(1.0, 0.95), (1.0, 1.0), (0.9, 0.5), (1.0, 0.0)]:
    rewards, values = normal(12, 0.1), normal(12, 0.5)
    rewards[-1] += 1.0
    rewards = rewards.float().double()
    advantages, returns = gae(rewards, values, gamma, lam)
    explained = 1 - torch.var(returns - values, unbiased=False) / torch.var(returns, unbiased=False)
    cases.append(dict(gamma=gamma, lam=lam, rewards=rewards, values=values, advantages=advantages,
                      returns=returns, whitened=whiten(advantages), explained_variance=explained))
golden["gae"] = cases

# Ratios from .5 to 2, advantages of both signs: all four corners of the clip.
old = normal(24, 1.0) - 2.0
old = old.float().double()
new = (old + normal(24, 0.35)).float().double()
advantages = normal(24)
losses, gradient = with_gradient(policy_loss, new, old, advantages, 0.2)
ratio = torch.exp(new - old)
golden["policy_loss"] = dict(
    clip=0.2, new=new, old=old, advantages=advantages, losses=losses, gradient_of_mean=gradient,
    clip_fraction=((ratio - 1.0).abs() > 0.2).double().mean(),
    approx_kl=((ratio - 1) - (new - old)).mean(),
)

old_values, values, returns = normal(24, 0.5), normal(24, 0.5), normal(24, 0.5)
losses, gradient = with_gradient(value_loss, values, old_values, returns, 0.2)
golden["value_loss"] = dict(clip=0.2, values=values, old_values=old_values, returns=returns,
                            losses=losses, gradient_of_mean=gradient)

# Expectations of the estimators over the whole distribution are the exact KL.
log_p = torch.log_softmax(normal(7), 0).float().double()
log_q = torch.log_softmax(normal(7), 0).float().double()
p, q = torch.distributions.Categorical(logits=log_p), torch.distributions.Categorical(logits=log_q)
golden["kl"] = dict(log_p=log_p, log_q=log_q, k1=log_p - log_q,
                    k3=(torch.exp(log_q - log_p) - 1) - (log_q - log_p),
                    exact=torch.distributions.kl_divergence(p, q))


def plain(thing):
    if isinstance(thing, torch.Tensor):
        return thing.tolist()
    if isinstance(thing, dict):
        return {key: plain(value) for key, value in thing.items()}
    if isinstance(thing, list):
        return [plain(value) for value in thing]
    return thing


path = pathlib.Path(__file__).with_name("ppo.json")
path.write_text(json.dumps({"torch": torch.__version__, **plain(golden)}, indent=1) + "\n")
print(f"wrote {path}")
