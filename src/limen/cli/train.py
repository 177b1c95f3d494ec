"""`limen train`: train one of the small networks that come with Limen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from limen.cli import machine
from limen.cli.options import Device, Seed, option

if TYPE_CHECKING:
    from limen.training import Epoch


def train(
    out: Annotated[Path, option("FILE", "Safetensors file to write.")],
    model: Annotated[str, option("SPEC", "Network to train: demo:photos or demo:digits.")] = "demo:photos",
    data: Annotated[
        str | None, option("SPEC", "Data, of which split=train is learned; as the model if not given.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Passes over the data; each network has a default.")
    ] = None,
    seed: Seed = 0,
    device: Device = "cpu",
) -> None:
    """Train a small network, as the embedded ones were, and write its weights.

    The same command again resumes.
    """
    machine.prepare()
    from limen.cli.console import complain, output
    from limen.training import train_network

    def show(epoch: Epoch) -> None:
        result = f"loss {epoch.loss:.4f}, accuracy {epoch.accuracy:.1%}"
        complain(f"epoch {epoch.number}: {result}, {epoch.seconds:.1f} s")

    def skip(image_id: str, reason: str) -> None:
        complain(f"skipped {image_id}: {reason}")

    history = train_network(
        model, data or model, out, epochs=epochs, seed=seed, device=device, progress=show, on_skip=skip
    )
    output().print(f"accuracy {history[-1].accuracy:.1%}")
    output().print(f"weights  {out}")
