"""The viewer's routes of a server of names: volumes are known to its tile service once they are asked for."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ndlab.serve.guarded import Guarded
from ndlab.serve.handlers import ViewHandler
from ndlab.serve.site import Site

__all__ = ["ServedViewHandler"]

_MOST_VOLUMES = 16


class ServedViewHandler(Guarded, ViewHandler):
    """Hello, info, tiles and play of NAME or NAME/CHANNEL."""

    def initialize(  # type: ignore[override]
        self, site: Site, prefix: str = "", methods: Sequence[str] = ()
    ) -> None:
        """Take what the server has."""
        Guarded.initialize(self, site, prefix, methods)
        self.service = site.tiles

    @property
    def _volumes(self) -> list[str]:
        return [one for one in self.get_query_argument("vol", "").split(",") if one][:_MOST_VOLUMES]

    @property
    def _op(self) -> str:
        return self.request.path.rstrip("/").rpartition("/")[2]

    def asked_names(self, *parts: str) -> Collection[str] | None:
        """Return the names of the volumes; hello has none."""
        if self._op == "hello":
            return None
        return [one.partition("/")[0] for one in self.get_query_argument("vol", "").split(",")]

    async def get(self, *parts: str) -> None:
        """Answer one operation."""
        await self.threads.run(self.site.show, self._volumes)
        await self.answer(self.site.tiles, self._op)
