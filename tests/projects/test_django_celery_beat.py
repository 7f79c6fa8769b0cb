"""django-celery-beat's own tests of its scheduler, from its source distribution, pass with the project's scheduler."""

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from tests.baking import UV, Project

HERE = Path(__file__).parent
# It asserts that each start of beat writes the settings over the database.
OVERWRITING = "test_periodic_task_model_schedule_type_change"
# It fails, with django-celery-beat's own scheduler too, when it begins in the last hundredths of a second of a minute: both of
# its entries are due in the same moment then.
RACE = "test_crontab_with_start_time_tick"


def test_django_celery_beat_s_tests_of_its_scheduler_pass(installed: Callable[..., Project], tmp_path: Path) -> None:
    project = installed(tmp_path / "project")
    version = project.python("import importlib.metadata as m; print(m.version('django-celery-beat'))").strip()
    source = ("--no-deps", "--no-binary", ":all:", "--dest", str(tmp_path))
    project.run(sys.executable, "-m", "pip", "download", *source, f"django-celery-beat=={version}")
    archive = next(tmp_path.glob("*.tar.gz"))
    project.run("tar", "-xzf", str(archive), "-C", str(tmp_path))
    folder = tmp_path / archive.name.removesuffix(".tar.gz")
    shutil.copytree(folder / "t", tmp_path / "tests/t")
    shutil.copytree(HERE / "django_celery_beat", tmp_path / "tests", dirs_exist_ok=True)
    settings = ("-p", "own_scheduler", "--ds", "own_settings", "--rootdir", str(tmp_path / "tests"), "-c", "/dev/null")
    options = ("-o", "python_classes=test_*", "-k", f"not {OVERWRITING} and not {RACE}")

    # Its tests mark fixtures, which pytest 9 refuses.
    done = project.run(
        *(UV, "run", "--with", "pytest<9", "--with", "pytest-timeout", "python", "-m", "pytest", "-q"),
        *(*settings, *options, str(tmp_path / "tests/t/unit/test_schedulers.py")),
        PYTHONPATH=f"{tmp_path / 'tests'}:{project.path}",
        DJANGO_SETTINGS_MODULE="own_settings",
    )

    (passed,) = re.findall(r"(\d+) passed, 2 deselected", done.stdout)
    assert int(passed) >= 60
