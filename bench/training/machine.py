"""The device, precision and threads that a configuration trains with on this machine."""

from train.config import RunConfig
from train.loop.learner import Machine
from train.machine.device import pick_device, pick_precision, set_threads
from train.machine.distributed import Ranks


def make_machine(run: RunConfig, ranks: Ranks = Ranks()) -> Machine:  # noqa: B008
    """Sets torch's threads, and says what to compute on and in which precision.

    Raises:
        ConfigError: CUDA is wanted and there is none.
    """
    set_threads(run)
    device = pick_device(run, ranks)
    return Machine(device, pick_precision(run, device), ranks)
