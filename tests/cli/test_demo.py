"""`limen demo` works with nothing but what is installed."""

from __future__ import annotations

from limen.runs import open_run, summarize


def test_every_attack_fools_nearly_every_photograph_and_the_page_is_there(limen, workshop):
    result = limen("demo", "--out", "demo")
    assert result.exit_code == 0, result.stderr
    summaries = summarize(open_run(workshop / "demo"))
    assert len(summaries) >= 4
    for summary in summaries:
        assert summary.correct >= 0.9 * summary.images
        assert min(summary.success_all, summary.success_correct) >= 0.95, summary.label
    assert (workshop / "demo" / "report.html").is_file()
    assert "demo/report.html" in result.stdout


def test_a_foreign_folder_is_refused_before_any_work(limen, workshop):
    result = limen("demo", "--out", "photos")
    assert result.exit_code == 2
    assert "photos: not empty and not a run; choose another --out" in result.stderr
    assert not (workshop / "photos" / "run.json").exists()
