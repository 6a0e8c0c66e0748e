"""Runs the service: `python -m serve.run --bundle B --data D`."""

import gc
import logging
import signal
import socket
import sys
from dataclasses import make_dataclass
from typing import Annotated, Any

import tyro
import uvicorn

from gait import cli
from gait.errors import ConfigError
from serve.access.opening import note_keys, open_keys
from serve.app import create_app
from serve.middleware.connection import Connection, allow_connections
from serve.middleware.draining import Server
from serve.settings import Settings, descriptions, load_settings
from serve.work.erasure_rounds import ErasureRounds
from serve.work.service import Service

log = logging.getLogger("serve")
CUT_OFF = 1
"""Seconds that connections get to close once the grace is over."""


def _option(name: str, words: str) -> tuple[str, Any, None]:
    """A setting as an option, which may be left out."""
    field: Any = Settings.model_fields[name]
    default = "" if field.is_required() or not field.default else f" [{field.default}]"
    return name, Annotated[field.annotation | None, tyro.conf.arg(help=words + default)], None


Arguments: Any = make_dataclass(
    "Arguments", [_option(name, words) for name, words in descriptions().items()]
)
Arguments.__doc__ = """Finds people by gait over HTTP. Each option can be given as the variable
`DIFFCROSSGAIT_<NAME>` instead."""


def main() -> None:
    """Loads model and galleries, then serves until SIGTERM or Ctrl-C."""
    config = (tyro.conf.EnumChoicesFromValues,)
    given = tyro.cli(Arguments, prog="python -m serve.run", config=config)
    settings = load_settings(**{k: v for k, v in vars(given).items() if v is not None})
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    keys = open_keys(settings)
    Connection.most = allow_connections()
    service = Service.open(settings)
    service.decoding.start()
    rounds = ErasureRounds(service)
    rounds.start()
    try:
        server = Server(
            uvicorn.Config(
                create_app(service, keys),
                http=Connection,
                log_config=None,
                access_log=False,  # it would show paths, and paths name people
                server_header=False,
                timeout_graceful_shutdown=CUT_OFF,
            ),
            service.drain,
            settings.grace_seconds,
        )
        listening = listen(settings)
        _announce(service)
        note_keys(keys, settings)
        collect_garbage_less()
        # uvicorn raises the signal again once it has shut down; asked to stop is no failure.
        # One that comes before it listens counts as well.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: service.drain.begin())
        server.run([listening])
    finally:
        rounds.close()
        service.close()


def collect_garbage_less() -> None:
    """Has the collector of reference cycles pass over what lives as long as the service does, and
    look at the rest once in 20,000 new objects, not 700: a request makes thousands and leaves
    hardly a cycle (results/speed.md).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)


def listen(settings: Settings) -> socket.socket:
    """A listening socket whose connections send small replies at once."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listening = socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {settings.host} port {settings.port} ({error.strerror}): choose "
            "another --port or --host"
        ) from error
    # asyncio sets it only on sockets it made itself; without it replies wait 40 ms for an ACK.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _announce(service: Service) -> None:
    service.look_around()
    encoder, settings = service.encoder, service.settings
    served = [name for name in service.galleries.names() if name not in service.unserved]
    log.info(
        "model %s, %s because %s, on %s, %d threads; %d galleries served; http://%s:%d",
        *(encoder.contract, encoder.choice.variant, encoder.choice.reason),
        *(encoder.provider, encoder.threads),
        *(len(served), settings.host, settings.port),
    )


if __name__ == "__main__":
    cli.run(main)
