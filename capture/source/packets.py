"""What the UDP packets in a pcap carry, put together where the network cut them into pieces."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gait.errors import CorruptFileError, MissingExtraError

_WAITING = 64
"""Datagrams of which pieces may be waited for; the oldest is given up."""

_HEADER = 8
"""Bytes of UDP before what it carries."""


def udp_payloads(path: Path) -> Iterator[bytes]:
    """The payloads of a pcap or pcapng, in order; what comes before a cut is read.

    Raises:
        CorruptFileError: it is no pcap.
        MissingExtraError: dpkt is not installed.
    """
    try:
        import dpkt
    except ImportError as error:
        raise MissingExtraError(
            "pcap files need dpkt: pip install -c constraints.txt '.[lidar]'"
        ) from error
    pieces = _Pieces()
    with path.open("rb") as file:
        try:
            reader = dpkt.pcap.UniversalReader(file)
        except (dpkt.Error, ValueError, EOFError) as error:
            raise CorruptFileError(f"{path.name} is no pcap: {error}") from error
        linux = reader.datalink() == dpkt.pcap.DLT_LINUX_SLL
        link = dpkt.sll.SLL if linux else dpkt.ethernet.Ethernet
        try:
            for _, data in reader:
                packet = link(data).data
                if isinstance(packet, dpkt.ip.IP) and packet.p == dpkt.ip.IP_PROTO_UDP:
                    datagram = pieces.add(packet)
                    if datagram:
                        yield datagram[_HEADER:]
        except (dpkt.Error, ValueError, EOFError):
            return  # cut off


@dataclass
class _Datagram:
    pieces: dict[int, bytes] = field(default_factory=dict)
    size: int | None = None


class _Pieces:
    """Datagrams larger than a network's packets come in pieces, perhaps not in order."""

    def __init__(self) -> None:
        self._waiting = dict[bytes, _Datagram]()

    def add(self, packet: Any) -> bytes:
        """The whole datagram if this packet completes it, else nothing."""
        data = packet.data if isinstance(packet.data, bytes) else bytes(packet.data)
        if not packet.offset and not packet.mf:
            return data
        key = packet.src + packet.dst + packet.id.to_bytes(2, "big")
        datagram = self._waiting.setdefault(key, _Datagram())
        at = 8 * packet.offset
        datagram.pieces[at] = data
        if not packet.mf:
            datagram.size = at + len(data)
        if sum(map(len, datagram.pieces.values())) == datagram.size:
            del self._waiting[key]
            return b"".join(piece for _, piece in sorted(datagram.pieces.items()))
        if len(self._waiting) > _WAITING:
            del self._waiting[next(iter(self._waiting))]
        return b""
