"""What a study's folder holds, and what it does not tell."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from limen.errors import LimenError, RunError, UsageError
from limen.runs.files import decode_png
from limen.study import default_texts, make_study, read_key
from limen.study.key import CHECK

from .conftest import HOSTILE


def test_pictures_are_the_run_s_files_byte_for_byte_under_names_that_say_nothing(small_run, tmp_path):
    run = small_run()
    made = make_study(run.directory, tmp_path / "study", seed=4)
    pictures = sorted((made.page.parent / "images").iterdir())
    assert [each.name for each in pictures] == [f"{number:04}.png" for number in range(24)]
    for path, known in zip(pictures, made.key.pictures, strict=True):
        if known.attack == CHECK:
            off = decode_png(path).astype(int) - decode_png(run.original_path(known.id))
            assert abs(off).mean() > 30
            continue
        source = (
            run.original_path(known.id) if known.attack is None else run.image_path(known.attack, known.id)
        )
        assert path.read_bytes() == source.read_bytes()
    assert read_key(tmp_path / "study").to_json() == made.key.to_json()
    assert made.key.pictures != make_study(run.directory, tmp_path / "other", seed=5).key.pictures


@pytest.mark.parametrize("task", ["same-different", "2afc", "match"])
def test_what_people_open_does_not_say_what_was_altered(small_run, tmp_path, task):
    made = make_study(small_run().directory, tmp_path / "study", task=task, observers=3)
    texts = [each for each in made.page.parent.rglob("*") if each.is_file() and each.suffix != ".png"]
    for path in texts:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"ddn|fgsm|photo \d|onerror=alert", text), path
    shown = json.loads((made.page.parent / "trials.js").read_text().removeprefix("window.STUDY = ")[:-2])
    assert shown["study"] == made.key.hash
    assert [[each[:2] for each in trials] for trials in shown["schedules"]] == [
        [[trial.left, trial.right] for trial in trials] for trials in made.key.schedules
    ]
    for left, right, *above in (trial for trials in shown["schedules"] for trial in trials):
        assert [made.key.pictures[each].attack for each in above] == ([None] if task == "match" else [])
        assert set(above) <= {left, right}


def test_the_page_fetches_nothing_and_says_data_escaped(small_run, tmp_path):
    made = make_study(small_run().directory, tmp_path / "study", title="A < B & <b>C</b>")
    page = made.page.read_text(encoding="utf-8")
    assert "<h1>A &lt; B &amp; &lt;b&gt;C&lt;/b&gt;</h1>" in page
    assert "default-src 'none'" in page
    assert "connect-src" not in page
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", page)
    for script in made.page.parent.rglob("*.js"):
        assert "sourceMappingURL" not in script.read_text(encoding="utf-8")
    assert "MIT License" in (made.page.parent / "jspsych" / "LICENSE.txt").read_text()
    assert sum(each.stat().st_size for each in made.page.parent.rglob("*")) < 200_000


def test_only_photographs_that_every_attack_fooled_the_model_with_are_shown(small_run, tmp_path):
    run = small_run(ddn=2, fgsm=3)
    made = make_study(run.directory, tmp_path / "study")
    assert {each.id for each in made.key.pictures} == {"photo 3", "photo 4", "photo 5"}
    both = make_study(run.directory, tmp_path / "ddn", attacks=["ddn"]).key
    assert {each.id for each in both.pictures} == {f"photo {i}" for i in range(2, 6)}
    few = make_study(run.directory, tmp_path / "few", limit=2).key
    assert len(few.pictures) == 8
    distances = {each.id: each.distances for each in few.pictures if each.attack == "ddn"}
    assert all(found["l2"] == pytest.approx((int(name[-1]) + 1) / 10) for name, found in distances.items())


def test_a_study_is_made_again_as_it_is_and_no_other_in_its_place(small_run, tmp_path):
    run = small_run().directory
    first = make_study(run, tmp_path / "study")
    assert make_study(run, tmp_path / "study").key.hash == first.key.hash
    with pytest.raises(UsageError, match="holds something else, and is kept; choose another --out"):
        make_study(run, tmp_path / "study", seed=1)


def test_texts_can_be_exchanged_and_what_they_lack_is_told(small_run, tmp_path):
    run, texts = small_run().directory, tmp_path / "texts.html"
    texts.write_text(default_texts().replace("Do you agree to take part?", "Nimmst du an {{ trials }} teil?"))
    made = make_study(run, tmp_path / "study", texts=texts)
    assert "Nimmst du an 18 teil?" in made.page.read_text()
    for content, says in {
        "": 'lacks <template id="consent">; see limen study texts',
        "{{ trails }}": "is no template ('trails' is undefined); see limen study texts",
        "{% if %}": "is no template",
    }.items():
        texts.write_text(content)
        with pytest.raises(UsageError, match=re.escape(says)):
            make_study(run, tmp_path / "other", texts=texts)
    with pytest.raises(LimenError, match=r"none.html: cannot be read \(No such file"):
        make_study(run, tmp_path / "other", texts=tmp_path / "none.html")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"checks": 7}, "checks is 7; expected an integer from 0 to 6"),
        ({"attacks": ["ddm"]}, "unknown attack of this run 'ddm'; did you mean 'ddn'? Known: ddn, fgsm"),
        ({"post": "ftp://a.org"}, "answers cannot be sent to 'ftp://a.org'; give an address such as"),
        ({"post": "https://a.org; script-src *"}, "answers cannot be sent to"),
        (
            {"limit": 1},
            "only 1 photographs are fooled by every attack (ddn: 6, fgsm: 6), and a study needs two",
        ),
    ],
    ids=["checks", "attack", "scheme", "policy", "one"],
)
def test_what_no_study_can_be_made_of_is_refused(small_run, tmp_path, settings, says):
    with pytest.raises(UsageError, match=re.escape(says)):
        make_study(small_run().directory, tmp_path / "study", **settings)
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (lambda key: {**key, "format": 2}, "has format 2, this Limen reads up to 1; upgrade Limen"),
        (
            lambda key: {**key, "schedules": [[{"left": 0, "right": 99}]]},
            "a trial shows pictures (0, 99), and",
        ),
        (lambda key: {**key, "schedules": [[{"left": 0}]]}, "schedules[0][0] lacks right"),
    ],
    ids=["format", "picture", "trial"],
)
def test_a_broken_key_is_told(small_run, tmp_path, broken, says):
    made = make_study(small_run().directory, tmp_path / "study")
    made.key_file.write_text(json.dumps(broken(json.loads(made.key_file.read_text()))))
    with pytest.raises(RunError, match=re.escape(says)):
        read_key(tmp_path / "study")
    with pytest.raises(UsageError, match="no study here"):
        read_key(Path(tmp_path / "nowhere"))


def test_the_hostile_name_is_in_the_key_alone(small_run, tmp_path):
    made = make_study(small_run().directory, tmp_path / "study")
    assert HOSTILE in made.key_file.read_text()
