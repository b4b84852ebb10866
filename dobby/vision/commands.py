"""The eyes' commands, which need no running Dobby: fetch their weights, look through a stream, measure what looking costs here.

It does not know how they see.
"""

import asyncio
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import click

from dobby.errors import Refused
from dobby.paths import shipped
from dobby.vision.detect import seeing
from dobby.vision.host import Eyes
from dobby.vision.wire import Sighting, redact

folder_option = click.option("--to", "folder", type=click.Path(path_type=Path, file_okay=False), help="The folder to put it in.")


@click.command()
@folder_option
@click.option("--from", "url", default="", help="Another address of the same file, such as a mirror of your own.")
def eyes(folder: Path | None, url: str) -> None:
    """Fetch the weights of yolox-nano (3.7 MB, Apache-2.0) from their official release, and check what came.

    Until then the eyes see motion and read lettering. Without --to they go to $DOBBY_WEIGHTS or ~/.cache/dobby/weights.
    """
    try:
        see = seeing()
    except ImportError as error:
        raise Refused(f"The eyes need more: pip install 'dobby[eyes]' ({error})") from error
    with click.progressbar(length=see.SIZE, label="yolox-nano") as bar:
        path = see.fetch(folder or see.cache_folder(), bar.update, *([url] if url else []))
    click.echo(f"{path} is the released file.")


@click.command()
@click.argument("streams", nargs=-1, required=True)
@click.option("--detector", default="yolox-nano", show_default=True, help="Or an .onnx file, ultralytics:MODEL, motion.")
@click.option("--weights", default="", help="A folder that has its weights.")
@folder_option
def watch(streams: tuple[str, ...], detector: str, weights: str, folder: Path | None) -> None:
    """Look through STREAMS (rtsp://, http:// MJPEG or still, a file, /dev/video0) until Ctrl-C; a line for each thing seen.

    Pictures go to --to, else to ./sightings.
    """
    with suppress(KeyboardInterrupt):
        asyncio.run(_watch(streams, {"detector": detector, "weights": weights}, folder or Path("sightings")))


async def _watch(streams: tuple[str, ...], settings: dict[str, str], folder: Path) -> None:
    opened = Eyes(folder, settings, _seen, _stands)
    for number, url in enumerate(streams, 1):
        click.echo(f"camera {number}: {redact(url)}")
        (folder / "yards" / f"{number}.json").unlink(missing_ok=True)  # of another stream that was this number
    await opened.watch([{"id": str(number), "watch": url} for number, url in enumerate(streams, 1)])
    async with asyncio.TaskGroup() as group:
        group.create_task(opened.run())
        while not opened.figures:
            await asyncio.sleep(0.1)
        click.echo("\n".join(opened.figures[""]["troubles"]), nl=bool(opened.figures[""]["troubles"]))


async def _seen(one: Sighting) -> None:
    when, what = time.strftime("%H:%M:%S", time.localtime(one.at)), f"{one.count} x {one.kind}" if one.count > 1 else one.kind
    says = " ".join(filter(None, (one.courier, one.direction, one.zone, one.way, "(not sure)" * one.candidate)))
    click.echo(f"{when}  {one.camera:<6}{one.phase:<12}{what:<12}{one.score:>5.2f}  {says:<32}{one.picture}".rstrip())


async def _stands(camera: str, state: str, why: str) -> None:
    click.echo(f"{time.strftime('%H:%M:%S')}  {camera:<6}{state:<12}{why}".rstrip())


@click.command()
@click.argument("sheet")
@click.option("--quick", is_flag=True, help="Fewer repetitions, the same method.")
def bench(sheet: str, quick: bool) -> None:
    """Print the figures of SHEET, such as `cameras`, beside what they are to be held against; wants a checkout."""
    root = shipped("skills").parent
    if not (root / "benchmarks" / f"{sheet}.py").is_file():
        raise Refused(f"There is no sheet {sheet} here; they come with a checkout, in its folder benchmarks/.")
    sys.exit(
        subprocess.run([sys.executable, "-m", f"benchmarks.{sheet}", *["--quick"] * quick], cwd=root, check=False).returncode
    )
