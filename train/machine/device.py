"""Which device a run computes on, in which precision, with how many threads."""

import os

import torch

from gait.errors import ConfigError
from train.config import RunConfig
from train.machine.distributed import Ranks


def pick_device(config: RunConfig, ranks: Ranks) -> torch.device:
    """The configured device; on a machine with several GPUs, this rank's own.

    Raises:
        ConfigError: CUDA is asked for and torch finds no device, or fewer than there are ranks.
    """
    available = torch.cuda.is_available()
    if config.device == "cpu" or (config.device == "auto" and not available):
        return torch.device("cpu")
    if not available:
        raise ConfigError("got run.device cuda, but torch finds no CUDA device: use cpu or auto")
    if ranks.local >= torch.cuda.device_count():
        raise ConfigError(
            f"got {ranks.local + 1} or more processes on a machine with "
            f"{torch.cuda.device_count()} GPUs: lower --nproc_per_node"
        )
    return torch.device("cuda", ranks.local)


def pick_precision(config: RunConfig, device: torch.device) -> torch.dtype:
    """The dtype of autocast; float32 means none."""
    if config.precision != "auto":
        chosen = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
        return chosen[config.precision]
    if device.type != "cuda":
        return torch.bfloat16 if _cpu_has_bf16_matrices() else torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def _cpu_has_bf16_matrices() -> bool:
    """Whether the processor multiplies bfloat16 in hardware (AMX, or AVX-512's dot product)."""
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))


def set_threads(config: RunConfig) -> int:
    """Sets torch's CPU threads: as configured, or this process's share of the cores it may use."""
    threads = config.threads or max(1, _cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    torch.set_num_threads(threads)
    return threads


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
