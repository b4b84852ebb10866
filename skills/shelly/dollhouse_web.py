"""The web side of a Shelly on loopback, of either generation: a port that stays the same from boot to boot.

It does not know what is served.
"""

from collections.abc import Iterable

from aiohttp import web


class Served:
    """What answers at 127.0.0.1; `port` is a free one from the first boot on."""

    def __init__(self) -> None:
        self.port = 0
        self._runner: web.AppRunner | None = None

    @property
    def address(self) -> str:
        """Where it is: host:port."""
        return f"127.0.0.1:{self.port}"

    async def serve(self, routes: Iterable[web.AbstractRouteDef]) -> None:
        """Boot."""
        app = web.Application()
        app.router.add_routes(routes)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]

    async def end(self) -> None:
        """As if the plug were pulled."""
        if self._runner:
            await self._runner.cleanup()
            self._runner = None
