"""How the service runs: from the command line, else the environment, else these defaults.

python -m serve.settings          # prints them as the table in docs/service.md
"""

import inspect
import math
import os
import re
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from gait.decode import Limits
from gait.errors import ConfigError
from gait.quality.quality import Mode
from gait.variant import Variant
from gallery.decision.decision import Policy
from gallery.galleries import NAME
from gallery.network.encoder import FRAMES
from gallery.network.session import Device
from serve.access.rates import Rate
from serve.access.scopes import is_loopback
from serve.work.decoding import Allowed

PREFIX = "DIFFCROSSGAIT_"
KEYS, IDENTITY = "keys.json", "identity.key"
_MIB = 1 << 20
_CAPS = Limits()
"""What the commands read, so that a gallery built by them and the service take the same clips."""


class Settings(BaseSettings):
    """Settings of the service; each is an option of `serve.run`, or `DIFFCROSSGAIT_<NAME>`.

    This is the one place that describes them: the help of `serve.run` and the table in
    docs/service.md are made from it.

    Args:
        data: folder of everything the service keeps: `galleries/`, keys and audit records. One
            process at a time.
        galleries: `postgresql://host/database` to keep the galleries there; None for
            `data/galleries`.
        gallery: the gallery of requests that name none; made if there is none.
        bundle: model bundle; None for the copy in the galleries, else the package's own.
        identity: private identity made by `python -m gallery.identity`, which signs exports of
            galleries and opens imports; None for `data/identity.key`.
        purposes: purposes that may be given for a search; empty for any.
        host: address to listen on. Other than loopback only with `keys`.
        port: TCP port.
        keys: key file made by `python -m serve.keys`; None for `data/keys.json`, and where
            there is none for no keys, on loopback only, until there is one.
        without_keys: start without keys, though keys were used with this data folder and their
            file is gone; else the service refuses to. On loopback only.
        device: where the network runs.
        variant: the network's arithmetic; None for the best that the bundle has for this hardware.
        frames: most frames of a clip that are looked at, spread evenly over it.
        threads: cores that one run of the network takes while no other goes on; None for all this
            process may use. Runs at the same time share them.
        workers: clips read, and searches made, at the same time.
        max_waiting: requests that may wait for a worker; one more is told to come back (429).
        decode_seconds: seconds of processor time that reading one clip may take (413).
        decode_mib: memory that reading one clip may take, in MiB (413); None for what the largest
            allowed clip needs.
        decode_slow: slow clips (longer than 0.1 s to read) that are read at the same time; they get
            a low priority and hold up no others.
        recording_seconds: seconds of processor time that finding the people in one recording may
            take (413): some 0.3 for each frame of a video that is looked at.
        recordings: recordings in which people are looked for at the same time.
        runs: runs of the network at the same time; None for one on a GPU and for as many as there
            are threads, at most 4, on a CPU.
        max_batch: clips that go through the network together; None for 16 on a GPU and for 1 on a
            CPU, which is no faster with more.
        batch_wait_ms: milliseconds a batch may collect while another run goes on; an idle network
            waits for nothing.
        max_queue: clips that may wait for the network; more are told to come back (429). So are
            those that would wait longer than the deadline, judged by the last ones.
        deadline_seconds: seconds after which a clip that waits to be read, or then for the network,
            is given up (503).
        grace_seconds: seconds that running requests get to finish when the service is to stop.
        rate_per_key: requests of one key; more get 429. Without keys nothing is counted.
        rate_per_gallery: requests for one gallery, of all keys together.
        rate_per_address: requests without a valid key, of one client address.
        max_body_mib: largest request body, in MiB.
        max_bodies_mib: all request bodies together, which are held in memory, in MiB; more are
            told to come back (503).
        body_seconds: seconds after which a request body must be there (408).
        max_clip_mib: largest clip file, in MiB.
        max_frames: most frames of one file (413); of a file with more than 300, 300 are kept,
            spread evenly.
        max_pixels: height × width of one frame.
        max_inflated_mib: one clip when decoded, in MiB.
        max_points: points of one frame of a point cloud.
        max_clips: clips in one request.
        live: people who passed the cameras of watchers and are shown, for a day at most; 0 for
            none.
        quality_search: clips that a search, a comparison or an embedding refuses: `off` for none,
            `standard` for those that show no walking person, `strict` for poor ones too.
        quality_enrol: clips that an enrolment refuses; `strict` refuses those of people who seem
            to be enrolled under another name as well.
        max_templates: most templates of one person and modality; beyond it the ones least like the
            others are erased. None for no cap.
        match_fpir: share of strangers who may be called a match with anybody in a search.
        possible_fpir: share of strangers whom a person may have to look at.
        match_fmr: share of strangers who may be called the one person they are compared with.
        own_calibration: decide nothing by the model's calibration, only by one made for the gallery
            with `python -m gallery.calibrate`.
        two_reviewers: two people have to say the same of a match, under different names and with
            different keys, before it counts as confirmed or rejected. Needs keys.
        index: what proposes templates for a probe: `memory`, which None means too, or
            `milvus://host:port`.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    data: Path
    galleries: str | None = None
    gallery: str = Field("default", pattern=f"^{NAME.pattern}$")
    bundle: Path | None = None
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)
    keys: Path | None = None
    without_keys: bool = False
    identity: Path | None = None
    purposes: tuple[str, ...] = ()
    device: Device = Device.AUTO
    variant: Variant | None = None
    frames: int = Field(FRAMES, ge=1)
    threads: int | None = Field(None, ge=1, le=1024)
    workers: int = Field(2, ge=1)
    max_waiting: int = Field(128, ge=0)
    decode_seconds: float = Field(10, gt=0, le=3600)
    decode_mib: int | None = Field(None, ge=64)
    decode_slow: int = Field(8, ge=1)
    recording_seconds: float = Field(600, gt=0, le=36000)
    recordings: int = Field(1, ge=1)
    runs: int | None = Field(None, ge=1, le=64)
    max_batch: int | None = Field(None, ge=1, le=1024)
    batch_wait_ms: float = Field(5, ge=0, le=1000)
    max_queue: int = Field(256, ge=1)
    deadline_seconds: float = Field(30, gt=0)
    grace_seconds: float = Field(10, ge=0)
    rate_per_key: Rate = "600/minute"
    rate_per_gallery: Rate = "3000/minute"
    rate_per_address: Rate = "60/minute"
    max_body_mib: int = Field(128, ge=1)
    max_bodies_mib: int = Field(512, ge=1)
    body_seconds: float = Field(120, gt=0, le=3600)
    max_clip_mib: int = Field(_CAPS.max_bytes // _MIB, ge=1)
    max_frames: int = Field(_CAPS.max_frames, ge=1)
    max_pixels: int = Field(_CAPS.max_pixels, ge=4096)
    max_inflated_mib: int = Field(_CAPS.max_inflated_bytes // _MIB, ge=1)
    max_points: int = Field(_CAPS.max_points, ge=1)
    max_clips: int = Field(32, ge=1)
    live: int = Field(500, ge=0, le=10_000)
    quality_search: Mode = Mode.STANDARD
    quality_enrol: Mode = Mode.STRICT
    max_templates: int | None = Field(None, ge=1)
    match_fpir: float = Field(0.01, gt=0, lt=0.5)
    possible_fpir: float = Field(0.10, gt=0, lt=0.5)
    match_fmr: float = Field(0.001, gt=0, lt=0.5)
    own_calibration: bool = False
    two_reviewers: bool = False
    index: str | None = None

    @model_validator(mode="after")
    def _open_only_with_keys(self) -> Self:
        if self.key_file is None and not self.on_loopback:
            raise ValueError(
                f"refusing to listen on {self.host} without keys: anyone who reaches it could "
                "search, enrol and delete people; make a key file with "
                f"`python -m serve.keys new {self.data / KEYS} --scopes admin`, "
                "or listen on 127.0.0.1"
            )
        return self

    @model_validator(mode="after")
    def _with_keys_or_without(self) -> Self:
        if self.without_keys and self.key_file is not None:
            raise ValueError(
                f"without_keys is set, and there is a key file, {self.key_file}: leave out the "
                "first, or move the file away"
            )
        return self

    @model_validator(mode="after")
    def _two_have_keys(self) -> Self:
        if self.two_reviewers and self.key_file is None:
            raise ValueError(
                "two_reviewers needs keys, by which it tells people apart: make a key file with "
                f"`python -m serve.keys new {self.data / KEYS} --scopes admin`"
            )
        return self

    @model_validator(mode="after")
    def _a_body_has_room(self) -> Self:
        if self.max_bodies_mib < self.max_body_mib:
            raise ValueError(
                f"max_bodies_mib is {self.max_bodies_mib}, less than max_body_mib, "
                f"{self.max_body_mib}: a body of that size could never be taken; raise the first"
            )
        return self

    @model_validator(mode="after")
    def _decides(self) -> Self:
        _ = self.policy  # it checks that its rates are in order
        return self

    @property
    def policy(self) -> Policy:
        """How often strangers may be called somebody."""
        return Policy(
            match_fpir=self.match_fpir,
            possible_fpir=self.possible_fpir,
            match_fmr=self.match_fmr,
            own_calibration=self.own_calibration,
        )

    @property
    def key_file(self) -> Path | None:
        """The key file; None for no keys. A link that leads nowhere is a file that is damaged."""
        usual = self.data / KEYS
        return self.keys or (usual if os.path.lexists(usual) else None)

    @property
    def identity_file(self) -> Path:
        """The private identity, which need not be there."""
        return self.identity or self.data / IDENTITY

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        return is_loopback(self.host)

    @property
    def decoding(self) -> Allowed:
        """What reading a clip may cost."""
        mib = self.decode_mib or 128 + 2 * self.max_clip_mib + 3 * self.max_inflated_mib
        return Allowed(
            workers=self.workers,
            slow=self.decode_slow,
            seconds=self.decode_seconds,
            memory=mib * _MIB,
            waiting=self.max_waiting,
            patience=self.deadline_seconds,
        )

    @property
    def finding(self) -> Allowed:
        """What finding the people in a recording may cost."""
        return Allowed(
            workers=1,
            slow=self.recordings,
            seconds=self.recording_seconds,
            memory=self.decoding.memory + 512 * _MIB,  # the networks and what they work in
            waiting=self.max_waiting,
            patience=self.deadline_seconds,
            niceness=10,  # at 19 a busy machine would leave it nothing for minutes
            turn=math.inf,  # minutes of work are not begun anew because somebody else comes
            called="recording_seconds",
        )

    @property
    def limits(self) -> Limits:
        """Caps on one clip file."""
        return Limits(
            max_bytes=self.max_clip_mib * _MIB,
            max_frames=self.max_frames,
            max_pixels=self.max_pixels,
            max_inflated_bytes=self.max_inflated_mib * _MIB,
            max_points=self.max_points,
            max_entries=2 * self.max_frames + 500,
        )


def descriptions() -> dict[str, str]:
    """What each setting is, in the words of the class."""
    text = inspect.cleandoc(Settings.__doc__ or "").partition("Args:\n")[2]
    found = re.findall(r"^    (\w+): ((?:.+\n?)(?:        .+\n?)*)", text, re.MULTILINE)
    return {name: " ".join(words.split()) for name, words in found}


def settings_table() -> str:
    """The settings as a table in Markdown."""
    rows = ["| environment | default | |", "|---|---|---|"]
    for name, words in descriptions().items():
        field = Settings.model_fields[name]
        default = "none" if field.default in (None, ()) else field.default
        shown = "required" if field.is_required() else default
        rows.append(f"| `{PREFIX}{name.upper()}` | {shown} | {words} |")
    return "\n".join(rows) + "\n"


def load_settings(**given: Any) -> Settings:
    """Settings from the given values, the environment and the defaults, in this order.

    Raises:
        ConfigError: a value is missing or not allowed; the message names the setting.
    """
    try:
        return Settings(**given)
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(part) for part in problem["loc"])
        text = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "missing":
            text = f"give --{place} or set {PREFIX}{place.upper()}"
        raise ConfigError(f"{place}: {text}" if place else text) from error
    except SettingsError as error:
        raise ConfigError(f"{error}: lists in the environment are JSON") from error


if __name__ == "__main__":
    print(settings_table(), end="")
