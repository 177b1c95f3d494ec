"""What `limen attack` and `limen demo` have in common: specs in, a run, a table and a page out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from limen import analysis, catalog, runs
from limen.cli.console import complain, complain_of_skipped, output, show
from limen.cli.progress import showing
from limen.evaluation import describe_run, run_attacks, write_full_size
from limen.images import LATTICE
from limen.metrics import STANDARD
from limen.report import write_page
from limen.report.tables import success_table
from limen.workers import HERE, Workers

_SHOWN = ("l2", "linf", "psnr", "ssim", "mad", "noticed")
_FIRST = 5


def execute(
    model: str,
    data: str,
    attacks: Sequence[str],
    out: Path,
    *,
    defenses: Sequence[str] = (),
    metrics: Sequence[str] = (),
    limit: int | None = None,
    batch_size: int = 32,
    device: str = "cpu",
    seed: int = 0,
    targeted: bool = False,
    aim: str | None = None,
    adaptive: int | None = None,
    lattice: int | None = LATTICE,
    workers: Workers = HERE,
    report: bool = True,
) -> None:
    """Do what is left of a run, then print its summary and where everything is.

    Raises:
        LimenError: If a spec, the images or the folder cannot be used.
    """
    made = [catalog.attack_or_grid(spec) for spec in attacks]
    measures = [*STANDARD, *map(catalog.metric, metrics)]
    classifier = catalog.model(model, device, defenses)
    what = classifier, catalog.data(data, classifier), made
    settings = {"seed": seed, "lattice": lattice, "targeted": targeted, "aim": aim, "adaptive": adaptive}
    manifest = describe_run(*what, **settings, metrics=measures, device=workers.device)
    with runs.create_or_resume(out, manifest) as writer:
        labels = [writer.manifest.label_of(entry.identity) for entry in manifest.attacks]
        with showing(labels) as progress:
            how = {"batch_size": batch_size, "limit": limit, "progress": progress, "workers": workers}
            run_attacks(*what, writer, metrics=measures, **how)
    run = runs.open_run(out)
    _complain_of_skipped(run)
    standard = {each.column.key for each in STANDARD}
    shown = [each for each in run.manifest.metrics if each.key in _SHOWN or each.key not in standard]
    figures = analysis.table({"": run}, [each.key for each in shown], draws=0)
    show(success_table(figures, shown))
    if run.manifest.model.defenses:
        known = " and attacks know of it" if run.manifest.settings.adaptive else ""
        output().print(f"the model is behind {run.manifest.model.chain}{known}")
    found = analysis.verdict(run)
    output().print(*found.sentences, sep="\n")
    if found.warning:
        complain(found.warning)
    for photograph in write_full_size(run, what[1], what[0]):
        output().print(str(photograph))
        if photograph.path is not None:
            output().print(f"      {photograph.path}")
    output().print(f"run  {out}")
    if report:
        output().print(f"page {write_page([out])}")


def _complain_of_skipped(run: runs.Run) -> None:
    skipped = run.manifest.skipped
    for image in skipped[:_FIRST]:
        complain_of_skipped(image.id, image.reason)
    if len(skipped) > _FIRST:
        complain(f"skipped {len(skipped)} images in all; run.json names the others")
