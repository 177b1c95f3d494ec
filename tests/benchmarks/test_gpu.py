"""The script for a GPU runs to its end on the CPU, whatever fails in it."""

from __future__ import annotations

SMALL = ["--device", "cpu", "--network", "tiny", "--images", "2", "--steps", "1", "--repeats", "1"]


def test_every_section_prints_its_table(script, capsys):
    arguments = [*SMALL, "--modes", "float32", "--attacks", "pgd_linf", "--no-contracts"]
    assert script("gpu").main(arguments) == 0
    out = capsys.readouterr().out
    for row in ("| pgd_linf", "| factorise ", "| SSIM's tensor times a vector", "| pgd_linf | yes "):
        assert row in out


def test_what_fails_is_told_and_the_rest_goes_on(script, monkeypatch, capsys):
    gpu = script("gpu")
    monkeypatch.setattr(gpu, "solvers", lambda *_: 1 / 0)
    assert gpu.main([*SMALL, "--modes", "--attacks", "pgd_linf", "--no-contracts"]) == 1
    out = capsys.readouterr().out
    assert (
        "\nsolvers\nfailed: ZeroDivisionError: division by zero\n\nthe same in every batch\n| attack" in out
    )
    assert "\n1 failed, " in out


def test_nothing_is_begun_when_no_time_is_left(script, capsys):
    assert script("gpu").main([*SMALL, "--modes", "float32", "--minutes", "0"]) == 1
    assert capsys.readouterr().out.count("failed: TimeoutError: no time is left for it") == 4
