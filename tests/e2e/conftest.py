"""A service with three people, and its console in a real browser."""

from collections.abc import Iterator

import pytest

from gait.own_bundle import own_bundle
from tests import services
from tests.browser import Browser, browser
from tests.console import PEOPLE, enrol, open_page
from tests.processes import running


@pytest.fixture(scope="module")
def console_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a service answers that knows Ada, with a picture, Grace, and a hostile name."""
    data = tmp_path_factory.mktemp("console") / "data"
    with running("--bundle", own_bundle(), "--data", data) as (_, address):
        for name, stout in PEOPLE.items():
            sent = services.KEPT if name == "Ada" else services.AUTHORISATION
            enrol(address, name, stout, sent)
        yield address


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser with an empty page."""
    with browser(tmp_path_factory.mktemp("profile")) as page:
        page.open("about:blank")
        yield page


@pytest.fixture
def page(window: Browser, console_address: str) -> Browser:
    """The console as it is opened anew."""
    window.resize(1280)
    open_page(window, f"{console_address}/")
    return window
