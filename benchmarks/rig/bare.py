"""The least that can be done with a webhook: its body appended to a file and synced, then 200; a process of its own.

What waits shares one sync, as Dobby's rows share one commit. It checks nothing and acts on nothing: the limit of disk and loop.

    python -m benchmarks.rig.bare FILE
"""

import asyncio
import os
import sys

from aiohttp import web

Waiting = asyncio.Queue[tuple[bytes, "asyncio.Future[None]"]]


def _append(file: int, bodies: list[bytes]) -> None:
    os.write(file, b"\n".join(bodies))
    os.fdatasync(file)


async def _keep(file: int, waiting: Waiting) -> None:
    while True:
        some = [await waiting.get()]
        while not waiting.empty():
            some.append(waiting.get_nowait())
        await asyncio.to_thread(_append, file, [body for body, _ in some])
        for _, kept in some:
            kept.set_result(None)


async def main(path: str) -> None:
    """Serve until ended; says its port first."""
    waiting: Waiting = asyncio.Queue()
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    async def take(request: web.Request) -> web.Response:
        kept = asyncio.get_running_loop().create_future()
        waiting.put_nowait((await request.read(), kept))
        await kept
        return web.Response()

    app = web.Application()
    app.router.add_post("/{any:.*}", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await _keep(file, waiting)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
