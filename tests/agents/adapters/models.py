"""Tiny models built from configurations, and the same agents through PEFT one after another."""

from __future__ import annotations

import copy

import numpy as np
import peft
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from agents.adapters.bank import AdapterBank
from agents.adapters.config import AdapterConfig
from agents.adapters.layers import adapt
from agents.adapters.optimizer import AdamW

WORDS = 40
OPTIMIZER = AdamW(weight_decay=0.05, clip_norm=0.02)
"""A clip that bites: gradients of these models have norms of 0.01 to 0.1."""


def model(kind: str = "llama", dtype: torch.dtype = torch.float64) -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        if kind == "llama":
            made = LlamaForCausalLM(
                LlamaConfig(
                    hidden_size=16,
                    intermediate_size=24,
                    num_hidden_layers=2,
                    num_attention_heads=2,
                    num_key_value_heads=1,
                    vocab_size=WORDS,
                    max_position_embeddings=32,
                )
            )
        else:
            made = GPT2LMHeadModel(
                GPT2Config(
                    n_embd=16,
                    n_layer=2,
                    n_head=2,
                    vocab_size=WORDS,
                    n_positions=32,
                    bos_token_id=0,
                    eos_token_id=0,
                )
            )
    return made.eval().to(dtype).requires_grad_(False)


def bank(kind="llama", dtype=torch.float64, optimizer=OPTIMIZER, **settings):
    """Return a model, its bank; rank 4 of all linear modules unless said otherwise."""
    base = model(kind, dtype)
    config = AdapterConfig(**{"rank": 4, "alpha": 6.0, **settings})
    return base, AdapterBank(adapt(base, config.targets), config, optimizer)


def fill(made, agents, rate=1e-2):
    """Give each agent an adapter of its own, B not zero, and a learning rate of its own."""
    for agent in agents:
        parts = made.layout.initial(seed=1, key=agent)
        rng = np.random.default_rng(agent)
        parts = {
            name: value if "lora_A" in name else rng.normal(0, 0.2, value.shape)
            for name, value in parts.items()
        }
        made.put(agent, parts, rate * (1 + agent % 3))


def sample(rows, seed=0, length=7):
    """Return token ids [rows, length]."""
    return torch.from_numpy(np.random.default_rng(seed).integers(0, WORDS, (rows, length)))


def losses(logits, ids):
    """Return the mean next-token loss of each row."""
    flat = torch.nn.functional.cross_entropy(
        logits[:, :-1].reshape(-1, logits.shape[-1]), ids[:, 1:].reshape(-1), reduction="none"
    )
    return flat.view(len(ids), -1).mean(1)


def peft_model(base, parts, config):
    """Return PEFT's model of one adapter (over a copy of the base)."""
    lora = peft.LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        use_rslora=config.rslora,
        target_modules=config.targets[0] if config.targets == ["all-linear"] else config.targets,
    )
    made = peft.get_peft_model(copy.deepcopy(base), lora, autocast_adapter_dtype=False).eval()
    for name, value in lora_parameters(made).items():
        value.data = torch.from_numpy(np.array(parts[name])).to(value.dtype)
    return made.to(next(base.parameters()).dtype)


def lora_parameters(made):
    """Return PEFT's adapter parameters under the bank's names."""
    return {
        name.removeprefix("base_model.model.").replace(".default", ""): value
        for name, value in made.named_parameters()
        if "lora_" in name
    }
