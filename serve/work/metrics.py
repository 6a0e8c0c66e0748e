"""What the operator is told in numbers: Prometheus metrics, and the stages of each request."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import Metric

from gait.modality import Modality
from gallery.template import Counts
from serve.work.health import Health

Result = TypeVar("Result")
_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10)


class Metrics:
    """The service's own Prometheus metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "gait_requests", "Requests answered", ["method", "route", "status"],
            registry=self.registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "gait_stage_seconds", "Time of one stage of a request", ["stage"],
            buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip
        self.queue_seconds = Histogram(
            "gait_queue_seconds", "Time a clip waited for the network",
            buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip
        self.inference_seconds = Histogram(
            "gait_inference_seconds", "Time of one run of the network", ["modality"],
            buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip
        self.batch_clips = Histogram(
            "gait_batch_clips", "Clips of one run of the network", ["modality"],
            buckets=(1, 2, 4, 8, 16, 32), registry=self.registry,
        )  # fmt: skip
        self.queued = Gauge(
            "gait_queue_clips", "Clips that wait for the network", registry=self.registry
        )
        self.decode_seconds = Histogram(
            "gait_decode_seconds", "Time a process took to read a file, or to refuse it", ["what"],
            buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip
        self.decode_killed = Counter(
            "gait_decode_killed", "Decoding processes ended over a clip", ["reason"],
            registry=self.registry,
        )  # fmt: skip
        self.decode_busy = Gauge(
            "gait_decode_busy", "Files that are being read", ["what", "lane"],
            registry=self.registry,
        )  # fmt: skip
        self.decode_waiting = Gauge(
            "gait_decode_waiting", "Files that wait to be read", ["what"], registry=self.registry
        )
        self.rejected = Counter(
            "gait_rejected", "Requests not embedded", ["reason"], registry=self.registry
        )
        self.quality = Counter(
            "gait_clip_quality_reasons", "Clips by what is wrong with them",
            ["reason", "refused"], registry=self.registry,
        )  # fmt: skip
        self.clock_ahead = Gauge(
            "gait_clock_ahead_seconds", "By which the clock is ahead of what erasures believe",
            ["gallery"], registry=self.registry,
        )  # fmt: skip
        self.subjects = Gauge(
            "gait_gallery_subjects", "Enrolled people", ["gallery"], registry=self.registry
        )
        self.templates = Gauge(
            "gait_gallery_templates", "Enrolled templates", ["gallery", "modality"],
            registry=self.registry,
        )  # fmt: skip

        self.reachable = Gauge(
            "gait_galleries_reachable", "1 if the galleries could be measured, else 0",
            registry=self.registry,
        )  # fmt: skip
        self.damaged = Gauge(
            "gait_gallery_damaged_templates", "Templates that cannot be read and are not searched",
            ["gallery"], registry=self.registry,
        )  # fmt: skip
        self.recall = Gauge(
            "gait_index_recall", "Share of sampled searches that find whom exact search finds",
            ["gallery"], registry=self.registry,
        )  # fmt: skip
        self.lag = Gauge(
            "gait_gallery_revision_lag", "Revisions that the index is behind the gallery",
            ["gallery"], registry=self.registry,
        )  # fmt: skip

    def count_quality(self, reasons: Iterable[str], *, refused: bool) -> None:
        """Counts a clip under each thing that is wrong with it."""
        for reason in reasons:
            self.quality.labels(reason, "yes" if refused else "no").inc()

    def show_health(self, healths: Mapping[str, Health]) -> None:
        """Sets how the galleries' indexes do, by name."""
        self.recall.clear()
        self.lag.clear()
        self.damaged.clear()
        for name, health in healths.items():
            self.damaged.labels(name).set(health.damaged)
            if health.lag is not None:
                self.lag.labels(name).set(health.lag)
            if health.recall is not None:
                self.recall.labels(name).set(health.recall)

    def show(self, counts: Mapping[str, Counts]) -> None:
        """Sets the galleries' sizes, by name."""
        self.subjects.clear()
        self.templates.clear()
        for name, size in counts.items():
            self.subjects.labels(name).set(size.subjects)
            self.templates.labels(name, Modality.SILHOUETTE).set(size.silhouettes)
            self.templates.labels(name, Modality.RANGE_VIEW).set(size.range_views)


class Told(CollectorRegistry):
    """What a registry holds without the galleries that somebody must not know of.

    Args:
        registry: with everything.
        reaches: whether a gallery may be known of.
    """

    def __init__(self, registry: CollectorRegistry, reaches: Callable[[str], bool]) -> None:
        super().__init__()
        self._registry, self._reaches = registry, reaches

    def collect(self) -> Iterator[Metric]:
        """The metrics, each with the samples that may be told."""
        for metric in self._registry.collect():
            told = Metric(metric.name, metric.documentation, metric.type, metric.unit)
            told.samples = [
                each
                for each in metric.samples
                if "gallery" not in each.labels or self._reaches(each.labels["gallery"])
            ]
            yield told


class Stages:
    """Milliseconds of each stage of one request.

    Args:
        metrics: told of each stage too.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._took: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times the block; one that fails is not counted."""
        started = time.perf_counter()
        yield
        self.took(name, time.perf_counter() - started)

    def took(self, name: str, seconds: float) -> None:
        """Counts a stage that was timed elsewhere."""
        self._took[name] = self._took.get(name, 0.0) + 1e3 * seconds
        self._metrics.seconds.labels(name).observe(seconds)

    @property
    def milliseconds(self) -> dict[str, float]:
        """Stage → milliseconds so far."""
        return {name: round(took, 3) for name, took in self._took.items()}
