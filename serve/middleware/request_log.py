"""What the operator sees: a request id, one log line per request, and metrics.

Log lines name the route and never the path: a path can hold a person's name.
"""

import logging
import time
import uuid
from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gait.modality import Modality
from gallery.template import Counts
from serve.work.health import Condition

log = logging.getLogger("serve")
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
        self.rejected = Counter(
            "gait_rejected", "Requests not embedded", ["reason"], registry=self.registry
        )
        self.clock_jumps = Counter(
            "gait_clock_jumps", "Rounds of erasure left out since the clock had jumped",
            registry=self.registry,
        )  # fmt: skip
        self.subjects = Gauge(
            "gait_gallery_subjects", "Enrolled people", ["gallery"], registry=self.registry
        )
        self.templates = Gauge(
            "gait_gallery_templates", "Enrolled templates", ["gallery", "modality"],
            registry=self.registry,
        )  # fmt: skip

        self.recall = Gauge(
            "gait_index_recall", "Share of sampled searches that find whom exact search finds",
            ["gallery"], registry=self.registry,
        )  # fmt: skip
        self.lag = Gauge(
            "gait_gallery_revision_lag", "Revisions that the index is behind the gallery",
            ["gallery"], registry=self.registry,
        )  # fmt: skip

    def show_conditions(self, conditions: Mapping[str, Condition]) -> None:
        """Sets how the galleries' indexes do, by name."""
        self.recall.clear()
        self.lag.clear()
        for name, condition in conditions.items():
            self.lag.labels(name).set(condition.lag)
            if condition.recall is not None:
                self.recall.labels(name).set(condition.recall)

    def show(self, counts: Mapping[str, Counts]) -> None:
        """Sets the galleries' sizes, by name."""
        self.subjects.clear()
        self.templates.clear()
        for name, size in counts.items():
            self.subjects.labels(name).set(size.subjects)
            self.templates.labels(name, Modality.SILHOUETTE).set(size.silhouettes)
            self.templates.labels(name, Modality.RANGE_VIEW).set(size.range_views)


class Observe:
    """ASGI middleware that gives every request an id, and counts and logs it once answered."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        status, started = 500, time.perf_counter()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            method = scope["method"] if route != "unmatched" else "any"
            self.metrics.requests.labels(method, route, status).inc()
            took = 1e3 * (time.perf_counter() - started)
            log.info("%s %s %s %d %.1f ms", request_id, method, route, status, took)
