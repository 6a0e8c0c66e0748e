"""Events to the live page of the service that decided."""

from collections.abc import Callable

from capture.live.outbox import Event, Outbox, Undelivered
from gait.errors import RemoteError, RemoteUnreachableError
from gallery.remote.client import Client

_TOLD = ("audit_id", "source", "track", "decision", "quality", "windows", "seen_seconds", "picture")
_LONGEST_NAME = 128
_BUSY = (429, 503)


def live_page(client: Client, complain: Callable[[str], None], first_wait: float = 1.0) -> Outbox:
    """Where events for the service's live page go. It learns who it is from its own record.

    Args:
        client: of the service.
        complain: told of events that could not be delivered; refused ones are not tried again.
        first_wait: seconds before the second attempt; doubled each time.
    """

    def deliver(event: Event) -> Undelivered | None:
        told = {name: event[name] for name in _TOLD if name in event}
        told["source"] = told["source"][:_LONGEST_NAME]
        try:
            client.tell_live(told)
        except RemoteUnreachableError as error:
            return Undelivered(str(error), again=True)
        except RemoteError as error:
            return Undelivered(str(error), again=error.status in _BUSY or error.status >= 500)
        return None

    return Outbox("the live page", deliver, complain, first_wait)
