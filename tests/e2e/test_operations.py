"""Every block of commands in docs/operations.md is run here, word for word, in the page's order.

Only placeholders are replaced: where the sources are, the port, the address of the
database, and the id of a key.
"""

import os
import re
import shutil
import signal
import subprocess
import threading
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gait.modality import Modality
from gallery.exchange.sealed_file import MAGIC
from tests import servers
from tests.galleries import TINY
from tests.processes import free_port
from tests.services import AUTHORISATION, PURPOSE, probe

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed"),
]

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/operations.md").read_text("utf-8")
ADDRESS = re.compile(r"postgresql://gait@db\.example\.org/gait(\?[^']*)?")
PATIENCE = 600
"""Seconds that one block may take."""


def blocks(heading: str) -> list[str]:
    """The blocks of commands of a section."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = re.findall(r"^```sh\n(.+?)^```", section, re.M | re.S)
    assert found, heading
    return found


class Shell:
    """One shell into which the blocks are pasted; it ends at the first command that fails.

    Args:
        folder: of the installation.
        replaced: placeholders and what stands for them here.
    """

    def __init__(self, folder: Path, replaced: dict[str, str]) -> None:
        self.folder, self.replaced = folder, replaced
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("DIFF", "PG", "PYTHON"))}
        self._errors = (folder / "errors.log").open("w+")
        self._process = subprocess.Popen(
            ["bash", "-e"], cwd=folder, env=kept, text=True, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
        )  # fmt: skip

    def run(self, commands: str) -> str:
        """What the commands print."""
        for placeholder, value in self.replaced.items():
            commands = commands.replace(placeholder, value)
        commands = ADDRESS.sub(self.replaced.get("ADDRESS", ""), commands)
        end, step = uuid.uuid4().hex, self.folder / "step.sh"
        step.write_text(commands)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f". ./step.sh < /dev/null; printf '\\n%s\\n' {end}\n")
        self._process.stdin.flush()
        too_long = threading.Timer(PATIENCE, os.killpg, (self._process.pid, signal.SIGKILL))
        too_long.start()
        said = list[str]()
        for line in self._process.stdout:
            if line.strip() == end:
                too_long.cancel()
                return "".join(said)
            said.append(line)
        too_long.cancel()
        pytest.fail(f"failed:\n{commands}\n{''.join(said)}{self._said_wrong()}")

    def close(self) -> None:
        """Ends it and what it has started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()
        self._errors.close()

    def _said_wrong(self) -> str:
        log = self.folder / "service.log"
        self._errors.seek(0)
        return self._errors.read()[-3000:] + (log.read_text()[-2000:] if log.exists() else "")


@dataclass
class Installation:
    """An installation in a folder, run as the page says."""

    shell: Shell
    port: int
    clip: bytes = field(default_factory=lambda: probe(1, Modality.SILHOUETTE))

    def do(self, heading: str, *numbers: int) -> str:
        """Runs the blocks of a section, all or those with these numbers, from 0."""
        found = blocks(heading)
        return "".join(self.shell.run(found[n]) for n in numbers or range(len(found)))

    def send(self, method: str, path: str, **sent: Any) -> httpx2.Response:
        """The reply to a request with the first access key."""
        token = (self.shell.folder / "secrets/admin.token").read_text().strip()
        return httpx2.request(
            method, f"http://127.0.0.1:{self.port}{path}", timeout=60,
            headers={"Authorization": f"Bearer {token}"}, **sent,
        )  # fmt: skip

    def enrol(self, subject: str, person: int, gallery: str = "default") -> None:
        """Enrols somebody."""
        reply = self.send(
            "POST", f"/v1/galleries/{gallery}/subjects/{subject}/templates",
            files={"clips": ("clip", probe(person, Modality.SILHOUETTE, seed=0))},
            data=AUTHORISATION,
        )  # fmt: skip
        assert reply.status_code == 201, reply.text

    def found(self, gallery: str = "default") -> list[tuple[str, float]]:
        """Whom a search finds, and how similar."""
        reply = self.send(
            "POST", "/v1/identify", files={"clip": ("clip", self.clip)},
            data=PURPOSE | {"gallery": gallery},
        )  # fmt: skip
        assert reply.status_code == 200, reply.text
        return [(each["subject"], each["similarity"]) for each in reply.json()["candidates"]]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which the service was installed, and then its next version: 2 GB."""
    folder = tmp_path_factory.mktemp("installed")
    shell = Shell(folder, {"bash scripts/": f"bash {ROOT}/scripts/"})
    try:
        shell.run(blocks("Install")[0])
        shutil.rmtree(folder / "wheels-1")
        shell.run(blocks("Upgrade")[0])
        shutil.rmtree(folder / "wheels-2")
        yield folder
    finally:
        shell.close()
        shutil.rmtree(folder)


@pytest.fixture
def folder(tmp_path: Path, installed: Path) -> Path:
    """Of an installation: the environments, the model and nothing else."""
    shutil.copytree(TINY, tmp_path / "bundle")
    for name in ("venv-1", "venv-2"):
        (tmp_path / name).symlink_to(installed / name)
    (tmp_path / "venv").symlink_to("venv-1")
    return tmp_path


@pytest.fixture
def installation(
    folder: Path, postgres_url: str, postgres: servers.Facts
) -> Iterator[Installation]:
    """An installation before its settings; the database is there, whether or not it is used."""
    port = free_port()
    replaced = {
        "bash scripts/": f"bash {ROOT}/scripts/",
        "localhost:8000": f"localhost:{port}",
        "ADDRESS": postgres_url,
    }
    shell = Shell(folder, replaced)
    shell.run(f"export DIFFCROSSGAIT_PORT={port} DIFFCROSSGAIT_THREADS=1 no_proxy='*'")
    shell.run("export DIFFCROSSGAIT_QUALITY_SEARCH=off DIFFCROSSGAIT_QUALITY_ENROL=off")
    (folder / "secrets").mkdir(mode=0o700)
    password = folder / "secrets/pgpass"
    password.write_text(f"localhost:{postgres['port']}:*:postgres:{servers.PASSWORD}\n")
    password.chmod(0o600)
    try:
        yield Installation(shell, port)
    finally:
        shell.close()


@pytest.fixture(params=["folder", "postgres"])
def kind(request: pytest.FixtureRequest) -> str:
    """Where the galleries are."""
    place: str = request.param
    return place


def _forget_galleries(installation: Installation, kind: str, postgres_url: str) -> None:
    """What is in the place of the galleries is lost."""
    if kind == "folder":
        shutil.rmtree(installation.shell.folder / "data/galleries")
        return
    import psycopg

    with psycopg.connect(postgres_url, password=servers.PASSWORD, autocommit=True) as connection:
        for name in ("default", "site-7"):
            connection.execute(f'DROP SCHEMA "gait_{name}" CASCADE'.encode())


def test_every_procedure_works_as_the_page_says(
    installation: Installation, kind: str, postgres_url: str
) -> None:
    shell, do = installation.shell, installation.do
    do("Install", 1)
    if kind == "postgres":
        do("Install", 2)
    do("Install", 3)
    do("Start")
    made = installation.send("POST", "/v1/galleries", json={"gallery": "site-7"})
    assert made.status_code == 201, made.text
    for number in range(3):
        installation.enrol(f"p{number}", number)
    installation.enrol("0042", 1)
    installation.enrol("anna", 1, "site-7")
    do("Back up")

    do("Erase a person")
    (receipt,) = shell.folder.glob("erased-*.json")
    assert '"0042"' in receipt.read_text()
    installation.enrol("late", 4)
    do("Back up")
    before, there = installation.found(), installation.found("site-7")
    assert before[0][0] == "p1"
    assert {name for name, _ in before} == {"p0", "p1", "p2", "late"}
    first, _ = sorted((shell.folder / "backups").iterdir())
    shell.run(
        f"python -m gallery.restore --backup {first}/galleries/default "
        "--keys keys-backup/default.db --gallery older --bundle bundle"
    )
    assert "0042" not in shell.run("python -m gallery.list --gallery older")

    do("Stop")
    _forget_galleries(installation, kind, postgres_url)
    do("Restore")
    do("Start")
    assert (installation.found(), installation.found("site-7")) == (before, there)

    do("Stop")
    do("Rotate the master key", 0)
    do("Rotate the master key", 0)  # as after an interruption
    do("Rotate the master key", 1)
    do("Start")
    assert (installation.found(), installation.found("site-7")) == (before, there)
    do("Back up")
    shell.run("python -m serve.audit verify data")

    do("Stop")
    do("Upgrade", 1)
    do("Start")
    assert (shell.folder / "venv").readlink() == Path("venv-2")
    assert installation.found() == before

    _move_there_and_back(installation, kind, postgres_url)
    do("Start")
    assert (installation.found(), installation.found("site-7")) == (before, there)
    shell.run("python -m serve.audit verify data")
    for path in shell.folder.glob("data/**/*"):
        assert not path.stat().st_mode & 0o077 or "bundle" in path.parts, path
    do("Stop")


def _move_there_and_back(installation: Installation, kind: str, postgres_url: str) -> None:
    shell, do = installation.shell, installation.do
    places = {"folder": "data/galleries", "postgres": postgres_url}
    other = "postgres" if kind == "folder" else "folder"
    before, settings = installation.found(), (shell.folder / "settings.sh").read_text()
    do("Stop")
    for come_from, go_to in ((kind, other), (other, kind)):
        shell.replaced["ADDRESS"] = places[go_to]
        do("Move the galleries")
        shell.replaced["ADDRESS"] = postgres_url
        _forget_galleries(installation, come_from, postgres_url)
        shell.run("rm -r move; unset DIFFCROSSGAIT_GALLERIES")
        if go_to == kind:
            (shell.folder / "settings.sh").write_text(settings)
            continue
        do("Install", 1)
        if go_to == "postgres":
            do("Install", 2)
        do("Start")
        assert installation.found() == before
        do("Stop")


def test_keys_are_rotated_as_the_page_says(installation: Installation) -> None:
    shell, do = installation.shell, installation.do
    for number in (1, 3):
        do("Install", number)
    made = shell.run("python -m serve.keys new data/keys.json --scopes identify")
    identifier = made.partition(".")[0]
    shell.replaced[" ID"] = f" {identifier}"
    do("Start")
    installation.enrol("anna", 1)
    assert identifier in do("Rotate an access key", 0)
    for token in (made.strip(), (shell.folder / "secrets/new.token").read_text().strip()):
        assert _models(installation, token) == 200
    do("Rotate an access key", 1)
    for token in (made.strip(), (shell.folder / "secrets/new.token").read_text().strip()):
        assert _models(installation, token) == 401

    old = (shell.folder / "data/identity.pub").read_text()
    do("Rotate the identity")
    new = (shell.folder / "data/identity.pub").read_text()
    assert new != old
    exported = installation.send("POST", "/v1/galleries/default:export", files={"to": new.encode()})
    assert exported.content.startswith(MAGIC)
    taken = installation.send(
        "POST", "/v1/galleries/default:import",
        files={"file": exported.content, "sender": new.encode()},
    )  # fmt: skip
    assert taken.status_code == 200, taken.text
    do("Stop")


def _models(installation: Installation, token: str) -> int:
    address = f"http://127.0.0.1:{installation.port}/v1/models"
    return httpx2.get(address, headers={"Authorization": f"Bearer {token}"}).status_code


def test_no_block_of_the_page_is_left_out() -> None:
    """A new section has to be run here too."""
    headings = re.findall(r"^## (.+)$", PAGE, re.M)
    with_blocks = {
        h for h in headings if "```" in PAGE.partition(f"\n## {h}\n")[2].split("\n## ")[0]
    }
    source = Path(__file__).read_text("utf-8")
    assert with_blocks == set(re.findall(r'(?:do|blocks)\("([^"]+)"', source))
    assert len(re.findall(r"^ +```", PAGE, re.M)) == 0, "an indented block would not be found"
