"""How long a bake takes, against a one-file template without hooks: ``make bench-bake``.

Each figure is a ratio of two whole processes, `python -m cookiecutter`, that ran one after the other in the same
environment, with `git init` and locking off, in memory. In each round every kind of bake runs once, in turn, so that a slow moment
of the machine does not settle on one of them. README.md in this folder says what was found.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

TEMPLATE = Path(__file__).resolve().parents[2]
PROJECT = "{{cookiecutter.project_slug}}"
HOOKS = ("pre_gen_project.py", "post_gen_project.py")
# The answers that render most: the longest texts, and every file and service that is optional.
LARGEST = ("broker=rabbitmq", "database=postgresql", "license=GPL-3.0", "ci=github", "devcontainer=true")
TARGET = 1.6
MEMORY = "/dev/shm"  # Linux's file system in memory


def floor(folder: Path) -> None:
    """The least that cookiecutter can be asked for: one question, one file, no hook."""
    (folder / PROJECT).mkdir(parents=True)
    (folder / "cookiecutter.json").write_text('{"project_slug": "my_project"}')
    (folder / PROJECT / "README.md").write_text("# {{ cookiecutter.project_slug }}\n")


def changed(hooks: tuple[str, ...] = HOOKS, empty: bool = False, copied: bool = False) -> Callable[[Path], None]:
    """The template with some of its hooks, with empty hooks, or with every file copied as it is."""

    def make(folder: Path) -> None:
        shutil.copytree(TEMPLATE, folder, ignore=lambda _, names: {".git", ".venv", "demo"} & set(names))
        for name in HOOKS:
            if name not in hooks:
                (folder / "hooks" / name).unlink()
            elif empty:
                (folder / "hooks" / name).write_text("")
        if copied:
            context = json.loads((folder / "cookiecutter.json").read_text(encoding="utf-8"))
            files = [file for file in (folder / PROJECT).rglob("*") if file.is_file()]
            # By the ends of their names, few patterns. A name that may render empty is left to be rendered.
            context["_copy_without_render"] = sorted(
                {f"*{file.suffix or file.name}" for file in files if "{" not in file.name}
            )
            (folder / "cookiecutter.json").write_text(json.dumps(context), encoding="utf-8")

    return make


KINDS: dict[str, tuple[Callable[[Path], None], tuple[str, ...]]] = {
    "floor": (floor, ()),
    "default": (changed(), ()),
    "largest": (changed(), LARGEST),
    "copied": (changed(hooks=(), copied=True), ()),
    "no hooks": (changed(hooks=()), ()),
    "empty hooks": (changed(empty=True), ()),
    "pre hook only": (changed(hooks=HOOKS[:1]), ()),
    "post hook only": (changed(hooks=HOOKS[1:]), ()),
}
# What a bake of the default answers is made of: the difference of two kinds.
PARTS = {
    "start-up of cookiecutter, one file": ("floor", None),
    "copying the files, and the context": ("copied", "floor"),
    "rendering": ("no hooks", "copied"),
    "starting the hooks' two interpreters": ("empty hooks", "no hooks"),
    "what the hooks do": ("default", "empty hooks"),
    "(pre_gen_project.py, interpreter too)": ("pre hook only", "no hooks"),
    "(post_gen_project.py, interpreter too)": ("post hook only", "no hooks"),
}


def bake(template: Path, answers: tuple[str, ...], home: Path) -> float:
    """Bake once into a folder of its own, which stays; return the wall-clock seconds of the whole process."""
    environment = {**os.environ, "HOME": str(home), "USERPROFILE": str(home), "BAKE_UV_LOCK": "0", "BAKE_GIT_INIT": "0"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # a person's Python compiles the template's modules once
    target = tempfile.mkdtemp(dir=home)
    command = [sys.executable, "-m", "cookiecutter", str(template), "--no-input", "--output-dir", target, *answers]
    start = time.perf_counter()
    subprocess.run(command, cwd=home, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def measure(rounds: int, place: str | None) -> dict[str, list[float]]:
    """The seconds of each kind of bake, a round after the other. The first round warms caches, and is left out.

    ``place`` is the folder in which all is made, and deleted at the end: not before, as a disk that is told of deleted
    blocks works on that during the next bake.
    """
    with tempfile.TemporaryDirectory(dir=place) as folder:
        templates = {kind: Path(folder, kind.replace(" ", "_")) for kind in KINDS}
        for kind, (make, _) in KINDS.items():
            make(templates[kind])
        home = Path(folder, "home")
        home.mkdir()
        turns = [{kind: bake(templates[kind], KINDS[kind][1], home) for kind in KINDS} for _ in range(rounds + 1)]
    return {kind: [turn[kind] for turn in turns[1:]] for kind in KINDS}


def report(seconds: dict[str, list[float]]) -> None:
    """Print the ratios to the floor, pair by pair, and what the default bake is made of."""
    base = seconds["floor"]
    print(f"{'bake':38} {'median':>7} {'min':>7} {'max':>7}   times the floor, {len(base)} pairs")
    for kind in KINDS:
        ratios = [one / other for one, other in zip(seconds[kind], base, strict=True)]
        goal = f"   target: {TARGET} at most" if kind in ("default", "largest") else ""
        print(f"{kind:38} {median(ratios):7.2f} {min(ratios):7.2f} {max(ratios):7.2f}{goal}")
    print(f"\n{'where the default goes':38} {'median':>7}   in floors")
    for part, (kind, without) in PARTS.items():
        less = seconds[without] if without else [0.0] * len(base)
        shares = [(one - two) / three for one, two, three in zip(seconds[kind], less, base, strict=True)]
        print(f"{part:38} {median(shares):7.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure bakes against a one-file template without hooks.")
    parser.add_argument(
        "--rounds", type=int, default=20, help="rounds that count, after one that does not (default: 20)"
    )
    parser.add_argument(
        "--folder",
        default=MEMORY if os.access(MEMORY, os.W_OK) else None,
        help="where to bake (default: in memory where that can be, so that the disk is not what is measured)",
    )
    arguments = parser.parse_args()
    report(measure(arguments.rounds, arguments.folder))
