"""Recordings of a Velodyne's packets (pcap), by the package velodyne-decoder."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from capture.source.scan import Scan, usable
from gait.errors import ConfigError, CorruptFileError, MissingExtraError

ENDINGS = (".pcap", ".pcapng")


class VelodynePcap:
    """The turns of a Velodyne. Incomplete ones at both ends are left out.

    Args:
        path: of the pcap.
        model: such as `VLP16` or `HDL64E_S3`; found in the packets if None.

    Raises:
        ConfigError: there is no such model.
        MissingExtraError: velodyne-decoder is not installed.
    """

    def __init__(self, path: Path, model: str | None = None) -> None:
        try:
            import dpkt
            import velodyne_decoder
        except ImportError as error:
            raise MissingExtraError(
                "pcap files need velodyne-decoder: pip install -c constraints.txt '.[lidar]'"
            ) from error
        self._decoder, self._path = velodyne_decoder, path
        self._broken = (dpkt.Error, ValueError, RuntimeError, EOFError, OSError)
        self.name = path.name
        self.count: int | None = None
        models = [name for name in vars(velodyne_decoder.Model) if name[:1] in "HVP"]
        if model is not None and model not in models:
            raise ConfigError(f"got the model {model}, need one of {' '.join(sorted(models))}")
        self._model = None if model is None else getattr(velodyne_decoder.Model, model)

    def scans(self) -> Iterator[Scan]:
        """The scans, by the times of their packets.

        Raises:
            CorruptFileError: no pcap, cut off before a whole turn, or of another sensor.
        """
        first: float | None = None
        index = 0
        try:
            config = self._decoder.Config(model=self._model)
            for stamp, cloud in self._decoder.read_pcap(str(self._path), config):
                seconds = float(getattr(stamp, "host", stamp))
                first = seconds if first is None else first
                yield Scan(index, seconds - first, usable(np.asarray(cloud)))
                index += 1
        except self._broken as error:
            if not index:
                raise CorruptFileError(f"{self.name} is no pcap of a Velodyne: {error}") from error
        if not index:
            raise CorruptFileError(
                f"{self.name} holds no whole turn of a Velodyne; of an Ouster, name its metadata "
                "by --metadata; convert recordings of other sensors to .pcd, by the maker's tools"
            )
