"""A network that learns: one optimisation step, and what has to be saved between two of them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.profiler import record_function

from gait.errors import CheckpointError, NonFiniteLossError, OutOfMemoryError
from gait.modality import Modality
from gait.range_style import RangeStyle
from train.checkpoint import Checkpoint, not_finite
from train.config import TrainConfig
from train.data.batches import TrainBatch
from train.diffusion.trajectory import Noise, draw_noise
from train.loop.graph import RecordedStep, Step, refuse_graph
from train.loop.optimiser import learning_rate, make_optimiser, set_learning_rate
from train.losses import Losses
from train.machine.distributed import Ranks, gather, synchronise_batch_norm
from train.model.heads import BNNeck
from train.model.layout import lay_channels_last
from train.model.network import GaitNetwork


class Machine(NamedTuple):
    """What a run computes on, and in which dtype (float32: no autocast)."""

    device: torch.device
    precision: torch.dtype = torch.float32
    ranks: Ranks = Ranks()


class Learner:
    """The network, its optimiser, and the step that brings them forward.

    All randomness after the initial weights is drawn per iteration from (seed, iteration), for the
    whole batch of all ranks: a resumed run, or one on more ranks, sees the same numbers.

    Args:
        config: of the run.
        classes: the training subjects, in the order of the labels.
        machine: where to compute.
    """

    def __init__(self, config: TrainConfig, classes: list[str], machine: Machine) -> None:
        self.config, self.classes, self.machine = config, classes, machine
        if config.run.graph:
            refuse_graph(*machine[:2], machine.ranks.world)
        torch.manual_seed(config.seed)
        network = GaitNetwork(config.model, config.diffusion, len(classes), config.rival)
        network = network.to(machine.device)
        if config.run.channels_last:
            network = lay_channels_last(network, machine.device)
        if network.regularizer is not None:
            network.regularizer.one_call = config.run.one_call
        if config.run.compile == "denoiser" and network.regularizer is not None:
            network.regularizer.compile_denoisers()
        self.network = cast(GaitNetwork, synchronise_batch_norm(network, machine.device))
        self.optimiser = make_optimiser(
            self.network,
            config.optim,
            config.run.fused,
            config.run.graph,
            self.network.regularizer,
            config.diffusion.weight_decay,
        )
        half = machine.precision == torch.float16
        self.scaler = torch.amp.GradScaler(machine.device.type, enabled=half)
        self._objective = self._wrapped()
        self._step = self._made_step()
        self._generator = torch.Generator(machine.device)

    def _wrapped(self) -> nn.Module:
        wrapped: nn.Module = self.network
        if self.machine.ranks.world > 1:
            wrapped = DistributedDataParallel(
                wrapped, broadcast_buffers=False, gradient_as_bucket_view=True
            )
        if self.config.run.compile == "all":
            wrapped = cast(nn.Module, torch.compile(wrapped))
        return wrapped

    def _made_step(self) -> Step:
        return RecordedStep(self._parts) if self.config.run.graph else self._parts

    def step(self, iteration: int, batch: TrainBatch) -> tuple[float, Losses]:
        """One optimisation step (Eq. 18). Nothing here waits for the device.

        Args:
            iteration: 1 for the first step.
            batch: this rank's share.

        Returns:
            The learning rate used and the losses, on the device; of a graph until the next step.
        """
        rate = learning_rate(self.config.optim, iteration)
        set_learning_rate(self.optimiser, rate)
        torch.backends.cudnn.benchmark = self.config.run.cudnn_benchmark
        if self.network.rival is not None:
            self.network.rival.at(iteration / self.config.optim.iterations)
        return rate, self._step(batch, self.noise(iteration))

    def _parts(self, batch: TrainBatch, noise: Noise) -> Losses:
        with record_function("forward"):
            losses = self.losses(batch, noise)
        with record_function("backward"):
            self.backward(losses)
        with record_function("optimiser"):
            self.update()
        return Losses({k: v.detach() for k, v in losses.terms.items()}, losses.total.detach())

    def losses(self, batch: TrainBatch, noise: Noise) -> Losses:
        """The losses of a batch with the noise of its iteration; autocast, losses in float32."""
        device, precision, ranks = self.machine
        with torch.autocast(device.type, precision, enabled=precision != torch.float32):
            joined = gather if ranks.world > 1 else None
            return cast(Losses, self._objective(*batch, noise, joined))

    def backward(self, losses: Losses) -> None:
        """The gradient of every parameter, summed over ranks; scaled where the dtype needs it."""
        self.scaler.scale(losses.total).backward()  # type: ignore[no-untyped-call]

    def update(self) -> None:
        """Moves the parameters and forgets the gradients."""
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)

    def noise(self, iteration: int) -> Noise:
        """The timesteps and noise of this rank's clips, a function of seed and iteration."""
        config, ranks = self.config, self.machine.ranks
        seed = np.random.SeedSequence([config.seed, 2, iteration]).generate_state(1, np.uint64)
        self._generator.manual_seed(int(seed[0]))
        clips = config.batch.subjects * config.batch.sequences
        shape, dtype = config.latent_shape, self.machine.precision
        noise = draw_noise(config.diffusion, clips, shape, self._generator, dtype)
        share = clips // ranks.world
        return noise.of(slice(ranks.rank * share, (ranks.rank + 1) * share))

    def require_finite(self, iteration: int) -> None:
        """Makes sure that the weights may be saved in the place of earlier ones.

        Finite losses do not say so: their gradient may be none. Waits for the device.

        Raises:
            NonFiniteLossError: some are no finite numbers.
        """
        name = not_finite(self.network.state_dict())
        if name is not None:
            raise NonFiniteLossError(
                f"{name} is not of finite numbers after iteration {iteration}, whose losses were: "
                "lower optim.lr or use --run.precision fp32; the last checkpoint, from before "
                "that, is kept",
                iteration=iteration,
                term=name,
            )

    def checkpoint(
        self,
        iteration: int,
        simulated: bool,
        best: float | None,
        range_style: RangeStyle = RangeStyle.BINS,
    ) -> Checkpoint:
        """Everything needed to go on after `iteration`, and what its pack says of its people."""
        rng = {"cpu": torch.get_rng_state()}
        if self.machine.device.type == "cuda":
            rng["cuda"] = torch.cuda.get_rng_state(self.machine.device)
        return Checkpoint(
            config=self.config,
            model=self.network.state_dict(),
            classes=self.classes,
            iteration=iteration,
            simulated=simulated,
            range_style=range_style,
            optimiser=self.optimiser.state_dict(),
            scaler=self.scaler.state_dict(),
            rng=rng,
            best=best,
        )

    def _as_configured(self, state: Mapping[str, Any] | None) -> dict[str, Any]:
        """A saved optimiser state, used as this run uses it: `run` may change on resuming."""
        saved = cast(Mapping[str, Any], state)
        now = {k: self.optimiser.param_groups[0][k] for k in ("fused", "capturable", "lr")}
        return {**saved, "param_groups": [{**g, **now} for g in saved["param_groups"]]}

    def _lay_moments_as_weights(self) -> None:
        """Gives the optimiser's moments the layout in memory that its weights have in this run.

        Those of a run with another layout keep theirs, and torch's fused update goes through both
        by their place in memory: it would give each weight another one's moments.
        """
        for weight, moments in self.optimiser.state.items():
            for name, value in moments.items():
                if value.shape == weight.shape and value.stride() != weight.stride():
                    moments[name] = torch.empty_like(weight, dtype=value.dtype).copy_(value)

    def take_over(self, other: Checkpoint) -> tuple[int, int]:
        """Begins with another network's weights, where name and shape are the same.

        Centre and projection are not taken, since they belong to a finished network, nor is any
        classifier, a rival's own included, since it belongs to that network's people. A stem that
        saw a silhouette, or a mask, in all channels of a range view is added up to one of a single
        channel, which gives the same.

        Returns:
            How many numbers were taken, and how many there are.
        """
        own = self.network.state_dict()
        modules = self.network.named_modules()
        classifiers = [f"{name}." for name, module in modules if isinstance(module, BNNeck)]
        theirs = {
            name: tensor
            for name, tensor in other.model.items()
            if name in own
            and not name.endswith(".centre")
            and not name.startswith(("projection.", *classifiers))
        }
        masks = other.config.model.range_input == "mask"
        grey = tuple(f"{m}." for m in Modality if m == Modality.SILHOUETTE or masks)
        added_up = (
            (name, _added_up(tensor, own[name].shape) if name.startswith(grey) else tensor)
            for name, tensor in theirs.items()
        )
        fitting = {name: tensor for name, tensor in added_up if tensor.shape == own[name].shape}
        self.network.load_state_dict(fitting, strict=False)
        taken = sum(tensor.numel() for tensor in fitting.values())
        return taken, sum(tensor.numel() for tensor in own.values())

    def restore(self, checkpoint: Checkpoint) -> None:
        """Goes back to where a checkpoint was made.

        Raises:
            CheckpointError: it is of another network, or holds no optimiser state.
        """
        try:
            self.network.load_state_dict(dict(checkpoint.model))
            self.optimiser.load_state_dict(self._as_configured(checkpoint.optimiser))
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(
                f"the checkpoint does not fit this run ({error}): use --restart to begin anew"
            ) from error
        self._lay_moments_as_weights()
        self._step = self._made_step()  # what was recorded used the optimiser's state of before
        if checkpoint.scaler:
            self.scaler.load_state_dict(dict(checkpoint.scaler))
        torch.set_rng_state(checkpoint.rng["cpu"].cpu())
        if "cuda" in checkpoint.rng and self.machine.device.type == "cuda":
            torch.cuda.set_rng_state(checkpoint.rng["cuda"].cpu(), self.machine.device)


@contextmanager
def memory_explained(config: TrainConfig) -> Iterator[None]:
    """Turns torch's ways of running out of memory into one error that says what to lower."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise _out_of_memory(config, error) from error
    except RuntimeError as error:
        if "DefaultCPUAllocator" not in str(error):
            raise
        raise _out_of_memory(config, error) from error


def _out_of_memory(config: TrainConfig, error: BaseException) -> OutOfMemoryError:
    batch = config.batch
    detail = str(error).splitlines()[0] if str(error) else "allocation failed"
    return OutOfMemoryError(
        f"out of memory with {batch.subjects} subjects × {batch.sequences} sequences × "
        f"{batch.frames} frames ({detail}): lower batch.sequences, batch.frames or model.channels, "
        "use --run.precision bf16, or keep frames off the GPU with --run.frames host",
        subjects=batch.subjects,
        sequences=batch.sequences,
        frames=batch.frames,
    )


def _added_up(weight: Tensor, wanted: torch.Size) -> Tensor:
    """A stem for one channel in place of several, in which a picture stood alike."""
    return weight.sum(dim=1, keepdim=True) if weight.ndim == 4 and wanted[1] == 1 else weight
