from __future__ import annotations

import json
import subprocess
import sys

import pytest

from limen.errors import UsageError
from limen.runs import RunError, create_or_resume, open_run, record_schema
from limen.runs.files import unfinished

from .conftest import COLUMNS

_PANDAS = """
import json, sys
import pandas
frame = pandas.read_parquet(sys.argv[1] + "/records")
frame = frame.sort_values(["attack", "index"])
assert not any(name.split(".")[0] == "limen" for name in sys.modules)
print(json.dumps({
    "columns": list(frame.columns),
    "types": [str(kind) for kind in frame.dtypes],
    "l2": frame.groupby("attack").l2.median().to_dict(),
    "missing": int(frame.l2.isna().sum()),
}))
"""


@pytest.fixture
def stored(tmp_path, manifest, row, pixels):
    with create_or_resume(tmp_path, manifest) as run:
        run.write("ddn", [row("a", 0, l2=1.0), row("b", 1, l2=2.0)], {"a": pixels(0), "b": pixels(1)})
        run.write("ddn", [row("c", 2, success=False)], {"c": pixels(2)})
        run.write("fgsm:eps=0.1", [row("a", 0, l2=5.0)], {"a": pixels(3)})
    unfinished(tmp_path / "records" / "00000003.parquet").write_bytes(b"half a part")
    return tmp_path


def test_pandas_opens_the_records_without_limen(stored):
    process = subprocess.run(
        [sys.executable, "-c", _PANDAS, str(stored)], capture_output=True, text=True, check=True
    )
    found = json.loads(process.stdout)
    assert found["columns"][:3] == ["attack", "index", "id"]
    assert found["columns"] == record_schema(COLUMNS).names
    assert found["types"].count("bool") == 4
    assert found["l2"] == {"ddn": 1.5, "fgsm:eps=0.1": 5.0}
    assert found["missing"] == 1


def test_a_run_is_read_without_torch(stored):
    script = (
        "import sys; from limen import runs; run = runs.open_run(sys.argv[1]); run.table();"
        "run.image('ddn', 'a'); print('torch' in sys.modules)"
    )
    process = subprocess.run(
        [sys.executable, "-c", script, str(stored)], capture_output=True, text=True, check=True
    )
    assert process.stdout.strip() == "False"


def test_an_empty_run_has_an_empty_table(tmp_path, manifest):
    create_or_resume(tmp_path, manifest).close()
    table = open_run(tmp_path).table()
    assert table.num_rows == 0
    assert "ciede2000" in table.column_names


def test_an_image_that_is_not_there_is_named(stored):
    run = open_run(stored)
    with pytest.raises(RunError, match=r"ddn.\.\.%2F\.\.%2Fetc%2Fpasswd\.png: .* missing"):
        run.image("ddn", "../../etc/passwd")
    with pytest.raises(UsageError, match="no attack 'pgd'"):
        run.image("pgd", "a")


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(UsageError, match="no run here"):
        open_run(tmp_path)
