"""GET /metrics for Prometheus: public only on loopback and when server.metrics_open says so, otherwise with a key.

It names everybody's models, so the key is one that may see the team's work: an auditor's is enough.
"""

from starlette.responses import Response

from headrace.api.endpoint import Call, Endpoint, NoQuery, Row
from headrace.api.hosts import is_loopback
from headrace.domain.account import Action
from headrace.settings import ServerSettings
from headrace.telemetry.metrics import MEDIA_TYPE, Metrics


class MetricsPage:
    def __init__(self, metrics: Metrics, settings: ServerSettings) -> None:
        self._metrics = metrics
        self._open = settings.metrics_open and is_loopback(settings.host)

    def rows(self) -> list[Row]:
        needs = None if self._open else Action.READ_TEAM_JOBS
        row = Endpoint("GET", "/metrics", "Metrics for Prometheus", needs, self.read, media_type="text/plain")
        return [row]

    async def read(self, _call: Call[NoQuery, None]) -> Response:
        return Response(await self._metrics.text(), headers={"content-type": MEDIA_TYPE})
