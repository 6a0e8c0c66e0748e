"""Command: which files and functions of this project one `POST /identify` passes.

    python -m bench.request_path --bundle bundle

A service with a key, audit records and three enrolled people is started in this process. The
second search, when everything is warm, is traced in every thread.
"""

import io
import json
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import Annotated

import numpy as np
import tyro
from fastapi.testclient import TestClient
from httpx2 import Response

from gait.cli import run
from gait.errors import GaitError
from gait.quality.quality import Mode
from gallery.network.session import Device
from serve.access.key_file import KeyFile
from serve.access.keyring import Grant
from serve.access.scopes import Scope
from serve.app import create_app
from serve.settings import load_settings
from serve.work.service import Service

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("serve", "gallery", "gait")


@dataclass(frozen=True)
class Passed:
    """What one request entered.

    Args:
        files: source files.
        functions: functions, methods, lambdas and generator expressions; before Python 3.12, list
            comprehensions as well.
        by_package: package → files and functions of it.
        names: `file:function` of each function, in order.
    """

    files: int
    functions: int
    by_package: dict[str, tuple[int, int]]
    names: list[str]


class Trace:
    """Notes every function of the project that is entered while it is switched on."""

    def __init__(self) -> None:
        self._seen: set[CodeType] = set()
        self._on = False

    def install(self) -> None:
        """Watches this thread and every thread that begins later."""
        threading.setprofile(self._note)
        sys.setprofile(self._note)

    def remove(self) -> None:
        """Watches this thread no more, nor new ones."""
        threading.setprofile(None)
        sys.setprofile(None)

    @contextmanager
    def on(self) -> Iterator[None]:
        """Notes what is entered in the block."""
        self._on = True
        try:
            yield
        finally:
            self._on = False

    def passed(self) -> Passed:
        """What was noted."""
        where = [(_inside(code), code) for code in self._seen]
        found = sorted((str(file), code.co_qualname) for file, code in where if file)
        files = {file for file, _ in found}
        counts = Counter(file.partition("/")[0] for file, _ in found)
        by_package = {
            name: (sum(file.startswith(f"{name}/") for file in files), counts[name])
            for name in PACKAGES
        }
        names = [f"{file}:{function}" for file, function in found]
        return Passed(len(files), len(found), by_package, names)

    def _note(self, frame: FrameType, event: str, _: object) -> None:
        if self._on and event == "call":
            self._seen.add(frame.f_code)


def _inside(code: CodeType) -> Path | None:
    """The file of a function, below the project's root; None for a function of others."""
    path = Path(code.co_filename)
    if not path.is_relative_to(ROOT):
        return None
    inside = path.relative_to(ROOT)
    return inside if inside.parts[0] in PACKAGES and path.suffix == ".py" else None


def measure(bundle: Path, folder: Path) -> Passed:
    """Runs a service in `folder` and traces its second search.

    Raises:
        GaitError: the service refused a request.
    """
    trace = Trace()
    trace.install()
    keys = KeyFile(folder / "keys.json")
    token = keys.new(Grant(scopes=(Scope.ENROL, Scope.IDENTIFY))).token
    service = Service.open(
        load_settings(
            data=folder / "data",
            bundle=bundle,
            device=Device.CPU,
            threads=1,
            quality_search=Mode.OFF,  # clips of random pixels show nobody
            quality_enrol=Mode.OFF,
        )
    )
    try:
        headers = {"Authorization": f"Bearer {token}"}
        app = create_app(service, keys)
        with TestClient(app, base_url="http://localhost", headers=headers) as client:
            for person in range(3):
                _enrol(client, person)
            _identify(client)
            with trace.on():
                _identify(client)
    finally:
        trace.remove()
        service.close()
    return trace.passed()


def _enrol(client: TestClient, person: int) -> None:
    path = f"/v1/galleries/default/subjects/p{person}/templates"
    fields = {"authorisation": "measurement", "expires": "2999-01-01"}
    _accepted(client.post(path, files={"clips": _clip(person)}, data=fields))


def _identify(client: TestClient) -> None:
    _accepted(client.post("/identify", files={"clip": _clip(0)}, data={"purpose": "measurement"}))


def _accepted(reply: Response) -> None:
    if reply.status_code >= 400:
        raise GaitError(f"the service refused a request: {reply.status_code} {reply.text}")


def _clip(person: int) -> bytes:
    blocks = np.random.default_rng(person).integers(0, 2, (8, 8), np.uint8) * 255
    file = io.BytesIO()
    np.save(file, np.tile(np.kron(blocks, np.ones((8, 8), np.uint8)), (10, 1, 1)))
    return file.getvalue()


@dataclass(frozen=True)
class Arguments:
    """Counts the files and functions that one search over HTTP passes."""

    bundle: Path
    """Model bundle of export.onnx."""
    names: bool = False
    """Print each function as well."""
    json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print JSON."""


def main() -> None:
    """Measures as the command line says."""
    arguments = tyro.cli(Arguments, prog="python -m bench.request_path")
    with tempfile.TemporaryDirectory() as folder:
        passed = measure(arguments.bundle, Path(folder))
    if arguments.json:
        print(json.dumps(asdict(passed)))
        return
    for name in passed.names if arguments.names else []:
        print(name)
    print(f"POST /identify passes {passed.files} files and {passed.functions} functions:")
    for package, (files, functions) in passed.by_package.items():
        print(f"  {package:8} {files:3} files {functions:4} functions")


if __name__ == "__main__":
    run(main)
