"""The benchmarks run; what they measure is for people to judge, as no test asserts on time."""

import re
import subprocess
import sys

import pytest

from tests.baking import TEMPLATE, clean_environment
from tests.servers import program


def rows(*command: str) -> dict[str, str]:
    """The first figure of each row that a benchmark prints."""
    done = subprocess.run(
        [sys.executable, *command], cwd=TEMPLATE, env=clean_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(re.findall(r"^(\S.*?) +(-?\d+\.\d\d)\b", done.stdout, re.MULTILINE))


def test_one_round_prints_a_ratio_for_each_kind_of_bake() -> None:
    printed = rows("benchmarks/bake/bake.py", "--rounds", "1")

    assert {"floor", "default", "largest", "rendering"} <= printed.keys()
    assert printed["floor"] == "1.00"


@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")
def test_one_round_prints_what_a_worker_does() -> None:
    program("redis-server")

    printed = rows("-m", "benchmarks.throughput.throughput", "--rounds", "1", "--count", "200")

    assert float(printed["no-op tasks a second"]) > 0
    assert float(printed["memory of an idle worker, MB"]) > 0


def test_few_entries_are_enough_to_print_what_beat_does() -> None:
    program("redis-server")

    printed = rows("-m", "benchmarks.beat.beat", "--entries", "500", "--seconds", "3", "--databases", "sqlite")

    assert float(printed["sent a second, own"]) > 0
    assert float(printed["memory at most, MB, own"]) > 0
