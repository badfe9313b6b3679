"""Serve a router's metrics to Prometheus, with its official client library.

usage: python prometheus.py MODEL [PORT]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import prometheus_client as prometheus
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

import arms


class RouterCollector(Collector):
    """Reads a router's metrics whenever Prometheus asks."""

    def __init__(self, router: arms.Router) -> None:
        self.router = router

    def collect(self) -> Iterator[Metric]:
        """Return every metric as of now."""
        metrics = self.router.metrics
        for name, text, value in (
            ("arms_routes", "Decisions made.", metrics.routes),
            ("arms_scored_queries", "Queries scored.", metrics.scored_queries),
            ("arms_abstentions", "Decisions for nobody.", metrics.abstentions),
            ("arms_second_router", "Decisions with the second router.", metrics.second_router),
            ("arms_truncated_questions", "Questions truncated.", metrics.truncated_questions),
            ("arms_reused_questions", "Questions that came encoded.", metrics.reused_questions),
            ("arms_reused_images", "Images that came encoded.", metrics.reused_images),
            ("arms_reloads", "Times that the weights were replaced.", metrics.reloads),
        ):
            yield CounterMetricFamily(name, text, value)

        errors = CounterMetricFamily("arms_errors", "Calls that failed.", labels=["kind"])
        for status, count in metrics.errors.items():
            errors.add_metric([status.name.lower()], count)
        yield errors

        chosen = CounterMetricFamily("arms_chosen", "Times chosen.", labels=["candidate"])
        for candidate in self.router.candidates.list():
            chosen.add_metric([candidate.name], candidate.chosen)
        yield chosen

        stages = HistogramMetricFamily("arms_stage_seconds", "Time of each stage.", labels=["stage"])
        for stage, histogram in metrics.stages.items():
            bounds = [prometheus.utils.floatToGoString(bound) for bound in histogram.bounds]
            buckets = list(zip(bounds, histogram.cumulative, strict=True))
            stages.add_metric([str(stage)], buckets, histogram.seconds)
        yield stages


def main(model: str, port: int) -> None:
    """Serve the metrics until interrupted."""
    with arms.Router(model) as router:
        prometheus.REGISTRY.register(RouterCollector(router))
        prometheus.start_http_server(port)
        print(f"http://localhost:{port}/metrics", flush=True)
        while True:
            # In place of a gateway's requests.
            router.route(None, "Which year had the highest sales?")
            time.sleep(1)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3) or not all(port.isdecimal() for port in sys.argv[2:]):
        sys.exit("usage: prometheus.py MODEL [PORT]")
    try:
        main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) == 3 else 9300)
    except KeyboardInterrupt:
        pass
    except (arms.ArmsError, OSError, OverflowError) as error:  # The last two of the port.
        sys.exit(f"prometheus: {error}")
