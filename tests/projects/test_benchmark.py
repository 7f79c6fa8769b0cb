"""The benchmark of bakes runs; what it measures is for people to judge, as no test asserts on time."""

import re
import subprocess
import sys

from tests.baking import TEMPLATE, clean_environment


def test_one_round_prints_a_ratio_for_each_kind_of_bake() -> None:
    done = subprocess.run(
        [sys.executable, TEMPLATE / "benchmarks/bake/bake.py", "--rounds", "1"],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    rows = dict(re.findall(r"^(\S.*?) +(-?\d+\.\d\d)\b", done.stdout, re.MULTILINE))

    assert done.returncode == 0, done.stderr
    assert {"floor", "default", "largest", "rendering"} <= rows.keys()
    assert rows["floor"] == "1.00"
