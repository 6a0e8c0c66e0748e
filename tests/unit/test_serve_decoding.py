"""The decoding processes: what a file may cost, who is read next, and that nothing stays behind."""

import math
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from gait.errors import (
    BusyError,
    ClosingError,
    CorruptFileError,
    DeadlineError,
    DecoderLostError,
    LimitExceededError,
    StorageError,
)
from serve.work import decoding, workers
from serve.work.decoding import Allowed, DecodingPool, Finished
from serve.work.fair_share import HALF_LIFE, Spending
from serve.work.metrics import Metrics

pytestmark = pytest.mark.serving
PATIENCE = 30.0
USUAL = {"workers": 2, "slow": 2, "seconds": 0.5, "memory": 64 << 20, "waiting": 50}


class Pool(DecodingPool):
    """A pool whose files say what they do to their reader."""

    def __init__(self, **allowed: float) -> None:
        self.told = Metrics()
        given = Allowed(**{**USUAL, "patience": 30.0, **allowed})  # type: ignore[arg-type]
        super().__init__(given, self.told, "tests.hostile_reader:read")

    def read(self, data: bytes, client: str = "somebody") -> "Future[Finished]":
        return self.submit(data, {}, client)

    def killed(self, reason: str) -> float:
        found = self.told.registry.get_sample_value("gait_decode_killed_total", {"reason": reason})
        return found or 0.0

    def honest(self) -> float:
        """Seconds until an honest file has been read."""
        began = time.monotonic()
        assert self.read(b"honest", "honest").result(PATIENCE).value == b"honest"
        return time.monotonic() - began


@contextmanager
def opened(**allowed: float) -> Iterator[Pool]:
    before = _children()
    pool = Pool(**allowed)
    try:
        assert pool.honest() < PATIENCE
        yield pool
    finally:
        pool.close()
        assert _children() == before, "a process is left behind"


def _children() -> list[str]:
    listed = subprocess.run(
        ["ps", "-o", "pid=,stat=,args=", "--ppid", str(os.getpid())],
        capture_output=True, text=True, check=False,
    ).stdout.splitlines()  # fmt: skip
    return [line for line in listed if "decoder_process" in line or " Z" in line]


def _await(happened: object, seconds: float = PATIENCE) -> None:
    assert callable(happened)
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with opened() as shared:
        yield shared


def test_values_errors_and_arguments_come_and_go(pool: Pool) -> None:
    large = os.urandom(20 << 20)
    assert pool.read(large).result(PATIENCE).value == large
    told = pool.submit(b"told", {"forward": 1, "limits": 2}, "").result(PATIENCE)
    assert told.value == ["forward", "limits"]
    with pytest.raises(CorruptFileError, match="no clip") as refused:
        pool.read(b"refuse").result(PATIENCE)
    assert refused.value.fields == {"allowed": 7}
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        pool.read(b"fail").result(PATIENCE)


def test_a_reader_that_was_taken_over_runs_nothing_here(pool: Pool) -> None:
    with pytest.raises(RuntimeError, match=r"posix\.system is no part of a clip"):
        pool.read(b"cheat").result(PATIENCE)
    assert not Path("/tmp/cheated").exists()


@pytest.mark.parametrize("data", [b"spin 60", b"sleep 60", b"stubborn 60"])
def test_a_file_that_takes_too_long_is_given_up(pool: Pool, data: bytes) -> None:
    before, began = pool.killed("time"), time.monotonic()
    with pytest.raises(LimitExceededError, match=r"more than 0\.5 seconds to read") as refused:
        pool.read(data).result(PATIENCE)
    assert time.monotonic() - began < 4
    assert refused.value.fields == {"limit": "decode_seconds", "allowed": 0.5}
    assert pool.killed("time") == before + 1
    assert pool.honest() < 2


def test_a_file_that_takes_too_much_memory_is_given_up(pool: Pool) -> None:
    assert pool.read(b"grow 30000000").result(PATIENCE).value == 30_000_000
    before = pool.killed("memory")
    with pytest.raises(LimitExceededError, match="more than 64 MiB of memory"):
        pool.read(b"grow 80000000").result(PATIENCE)
    assert pool.killed("memory") == before + 1


def test_a_crash_is_the_files_and_a_kill_is_not(pool: Pool) -> None:
    with pytest.raises(CorruptFileError, match="SIGSEGV"):
        pool.read(b"crash").result(PATIENCE)
    reading = pool.read(b"stubborn 60")
    labels = {"what": "clips", "lane": "slow"}
    _await(lambda: pool.told.registry.get_sample_value("gait_decode_busy", labels))
    other = pool.read(b"sleep 0.3", "other")
    killed = set(pool.processes)
    for process in killed:
        os.kill(process, signal.SIGKILL)
    for each in (reading, other):
        with pytest.raises(DecoderLostError, match="from outside"):
            each.result(PATIENCE)
    _await(lambda: not killed & set(pool.processes))  # an idle one is given no file by then
    assert pool.honest() < 2


def test_idle_workers_that_are_killed_are_replaced(pool: Pool) -> None:
    _await(lambda: len(pool.processes) == 2)
    killed = set(pool.processes)
    for process in killed:
        os.kill(process, signal.SIGKILL)
    _await(lambda: len(pool.processes) == 2 and not killed & set(pool.processes))
    assert pool.honest() < 2


def test_a_worker_that_is_stopped_is_replaced(pool: Pool) -> None:
    _await(lambda: len(pool.processes) == 2)
    for process in pool.processes:
        os.kill(process, signal.SIGSTOP)
    assert pool.honest() < 5
    assert pool.killed("stopped") == 1


def test_a_forking_process_that_is_stopped_is_replaced(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    _await(lambda: len(pool.processes) == 2)
    monkeypatch.setattr(workers, "_SILENT", 3.0)
    os.kill(_forking(pool), signal.SIGSTOP)
    reading = [pool.read(b"sleep 0.4") for _ in range(2)]  # whose workers then are none for others
    assert all(each.result(PATIENCE).value for each in reading)
    assert pool.honest() < PATIENCE


def test_the_forking_process_is_replaced_too(pool: Pool) -> None:
    reading = pool.read(b"sleep 60")
    _await(lambda: len(pool.processes) >= 2)
    before = pool.processes
    os.kill(_forking(pool), signal.SIGKILL)
    with pytest.raises(DecoderLostError):
        reading.result(PATIENCE)
    assert pool.honest() < PATIENCE
    _await(lambda: not any(Path(f"/proc/{each}").exists() for each in before))


def test_it_starts_where_many_files_are_open(pool: Pool) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 2000)), hard))
    held = [os.open("/dev/null", os.O_RDONLY) for _ in range(1100)]
    try:
        os.kill(_forking(pool), signal.SIGKILL)
        _await(lambda: not pool.processes)
        assert pool.honest() < PATIENCE
    finally:
        for each in held:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _forking(pool: Pool) -> int:
    (forking,) = {int(_state(each)[1]) for each in pool.processes}
    return forking


def _state(process: int) -> list[str]:
    """What Linux says of a process: its state, its parent and so on."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()


def test_who_leaves_is_not_read_for(pool: Pool) -> None:
    before = pool.killed("client_left")
    reading = [pool.read(b"stubborn 60") for _ in range(2)]
    time.sleep(0.05)
    assert all(each.cancel() for each in reading)
    _await(lambda: pool.killed("client_left") == before + 2, 2)
    assert pool.honest() < 2


def test_slow_files_hold_up_nobody() -> None:
    with opened(seconds=30, patience=60) as pool:
        slow = [pool.read(b"stubborn 60") for _ in range(10)]
        time.sleep(1)
        assert max(pool.honest() for _ in range(20)) < 1
        assert not pool.stuck
        assert len(pool.processes) <= 4
        assert not any(each.done() for each in slow)


def test_those_who_used_little_are_read_first() -> None:
    with opened(workers=1, slow=1, seconds=30, patience=60) as pool:
        hogs = [pool.read(b"spin 25", "hog") for _ in range(3)]
        time.sleep(3)
        began = time.monotonic()
        assert pool.read(b"spin 0.4", "honest").result(PATIENCE).value
        assert time.monotonic() - began < 10
        assert not any(each.done() for each in hogs), "they wait, and are not refused"


def test_each_file_of_one_client_gets_its_turn() -> None:
    """All may come from one address: an honest file of it waits for no hostile one to end."""
    with opened(workers=1, slow=1, seconds=30, patience=60) as pool:
        hostile = [pool.read(b"stubborn 60") for _ in range(3)]
        time.sleep(0.5)
        assert pool.read(b"sleep 0.4").result(15).value
        assert not any(each.done() for each in hostile), "they wait, and are not refused"


def test_work_of_minutes_is_not_begun_anew_for_others_and_keeps_some_priority() -> None:
    ours, lowest = os.getpriority(os.PRIO_PROCESS, 0), set[int]()
    with opened(workers=1, slow=1, seconds=60, patience=200, turn=math.inf, niceness=10) as pool:
        long = pool.read(b"spin 2", "first")
        _await(lambda: len(pool.processes) == 2)
        others = [pool.read(b"spin 0.3", f"other {row}") for row in range(2)]
        while not long.done():
            assert not any(each.done() for each in others), "they wait until it has ended"
            with suppress(OSError):  # one has just ended
                lowest.add(max(map(_niceness, pool.processes)))
            time.sleep(0.05)
        assert max(lowest) == max(10, ours)
        assert all(each.result(4 * PATIENCE).value for each in (long, *others))


def test_waiting_for_the_machine_costs_no_priority() -> None:
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    with opened(workers=1, seconds=30) as pool:
        waits, works = pool.read(b"sleep 2"), pool.read(b"spin 2")
        _await(lambda: max(map(_niceness, pool.processes)) == 19)
        assert sum(_niceness(each) > ours for each in pool.processes) == 1
        waits.cancel()
        works.cancel()


def test_a_result_that_finds_no_memory_is_said() -> None:
    with opened() as pool:
        with pytest.raises(StorageError, match="no memory"):
            pool.read(b"full").result(PATIENCE)
        assert pool.honest() < PATIENCE


def test_each_pool_tells_of_its_own_files() -> None:
    """Or recordings that are read would hide that clips are stuck."""
    with opened(workers=1, slow=1) as pool:
        usual = "tests.hostile_reader:read"
        other = DecodingPool(pool._allowed, pool.told, usual, "recordings")
        hogs = [pool.read(b"stubborn 60") for _ in range(5)]
        value = pool.told.registry.get_sample_value
        _await(lambda: value("gait_decode_waiting", {"what": "clips"}))
        assert value("gait_decode_waiting", {"what": "recordings"}) == 0
        for what in ("clips", "recordings"):
            assert value("gait_decode_seconds_count", {"what": what}) is not None
        for hog in hogs:
            hog.cancel()
        other.close()


def _niceness(process: int) -> int:
    return int(_state(process)[16])


def test_what_waits_is_bounded_and_one_client_cannot_fill_it() -> None:
    with opened(workers=1, slow=1, waiting=4, seconds=30) as pool:
        hogs = [pool.read(b"stubborn 60", "hog") for _ in range(5)]
        with pytest.raises(BusyError):
            pool.read(b"honest", "hog")
        assert pool.read(b"honest", "honest").result(PATIENCE).value == b"honest"
        refused = [each for each in hogs if each.done()]
        assert len(refused) == 1
        assert isinstance(refused[0].exception(), BusyError)


def test_what_waits_too_long_is_given_up() -> None:
    with opened(workers=1, slow=1, seconds=30, patience=1) as pool:
        reading = [pool.read(b"stubborn 60") for _ in range(4)]
        _await(lambda: sum(each.done() for each in reading) == 3)  # one is being read
        ended = [each.exception(0) for each in reading if each.done()]
        assert [type(each) for each in ended] == [DeadlineError] * 3


def test_closing_waits_for_no_file() -> None:
    before = _children()
    pool = Pool(seconds=60)
    pool.honest()
    reading = [pool.read(b"stubborn 60") for _ in range(6)]
    time.sleep(0.3)
    began = time.monotonic()
    pool.close()
    assert time.monotonic() - began < 2
    for each in reading:
        with pytest.raises(ClosingError):
            each.result(0)
    with pytest.raises(ClosingError):
        pool.read(b"honest")
    assert _children() == before


def test_no_handle_stays_open(pool: Pool) -> None:
    pool.honest()
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for turn in range(30):
        cancelled = pool.read(b"sleep 1")
        pool.honest()
        cancelled.cancel()
        if turn % 10 == 0:
            assert pool.read(b"crash").exception(PATIENCE)
    _await(lambda: len(os.listdir("/proc/self/fd")) <= before)  # noqa: PTH208


def test_readers_that_do_not_come_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "STUCK", 0.3)
    pool = DecodingPool(Allowed(1, 1, 1, 1 << 26, 1, 30), Metrics(), "tests.nothing:read")
    waiting = pool.submit(b"honest", {}, "")
    _await(lambda: pool.stuck)
    pool.close()
    assert isinstance(waiting.exception(0), ClosingError)


def test_the_processes_end_with_a_service_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import time; from tests.unit.test_serve_decoding import Pool; p = Pool(seconds=60); "
        "p.honest(); p.read(b'stubborn 60'); time.sleep(0.3); "
        "print(*p.processes, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as service:
        assert service.stdout is not None
        processes = [int(each) for each in service.stdout.readline().split()]
        assert len(processes) >= 2
        service.kill()
    _await(lambda: not any(_runs(each) for each in processes))


def _runs(process: int) -> bool:
    try:
        return _state(process)[0] != "Z"
    except OSError:
        return False


def test_spending_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    spending = Spending()
    spending.add("a", 8)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 3 * HALF_LIFE)
    assert spending.of("a") == pytest.approx(1, rel=0.01)
    assert spending.of("b") == 0
    for number in range(3000):
        spending.add(f"address {number}", 0.0)
    assert len(spending._spent) <= 1001
    assert spending.of("a") == pytest.approx(1, rel=0.01)
