"""Finishes a bake: removes what is no longer asked for, keeps the answers, writes both .env files, locks, commits."""

import sys
from os.path import dirname

if sys.path[0] == dirname(__file__):  # the temporary folder, in which anyone may have put a re.py
    del sys.path[0]

import contextlib
import json
import os
import re
import secrets
import stat
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

# The one place where answers enter. `tojson` writes ASCII without a single backslash, quote or brace of their own.
ANSWERS: dict[str, object] = json.loads(r"""{{ cookiecutter | tojson }}""")
ANSWERS_FILE = Path(".cookiecutter.json")
# The files that one choice of an answer has and the others have not: file, answer, choice.
OPTIONAL = (
    (".devcontainer/devcontainer.json", "devcontainer", True),
    (".github/workflows/ci.yml", "ci", "github"),
    (".gitlab-ci.yml", "ci", "gitlab"),
)
# An assignment as python-dotenv reads it: a quoted value may have several lines, another ends at a comment.
ASSIGNMENT = re.compile(
    r"""^\ufeff?[ \t]*(?:export[ \t]+)?(\w+)[ \t]*=[ \t]*(?:
    "((?:[^"\\]|\\[\s\S])*)"[ \t]*(?:\#.*)?[ \t\r]*$ |
    '((?:[^'\\]|\\[\s\S])*)'[ \t]*(?:\#.*)?[ \t\r]*$ |
    (.*?)(?:[ \t]+\#.*)?[ \t\r]*$)""",
    re.MULTILINE | re.VERBOSE,
)
PLACEHOLDER = re.compile(r"change-me-[a-z-]+")
LOCK_SECONDS = 120  # a first resolution over a slow network takes about 20
GIT_SECONDS = 60  # a person may be asked for the passphrase of a signing key
# cruft names the template's commit. `cruft update` bakes twice into a temporary folder, and applies the difference to
# the project: fresh secrets must not be in it.
MADE_BY_CRUFT = "_commit" in ANSWERS
FOR_COMPARISON = MADE_BY_CRUFT and re.fullmatch(r"tmp[a-z0-9_]{8}", Path.cwd().parent.name) is not None


def previous_answers() -> dict[str, object]:
    """The answers that the project was last baked with; none at a first bake, or when the file is not as we write it."""
    try:
        kept = json.loads(ANSWERS_FILE.read_text(encoding="utf-8"))["cookiecutter"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return kept if isinstance(kept, dict) else {}


def keep_answers() -> None:
    """Write the answers, for `cookiecutter --replay-file` and, as defaults, for `cookiecutter --config-file`.

    Only a replay takes derived variables from the file. cookiecutter renders a default, so one with braces is quoted.
    Names with one underscore are cookiecutter's own: paths of this machine, and what the template says anyway.
    """

    def default(answer: object) -> object:
        if not isinstance(answer, str) or "{" not in answer:
            return answer
        quoted = answer.replace("\\", "\\\\").replace('"', '\\"')
        return "{" * 2 + f' "{quoted}" ' + "}" * 2  # not written out, as this file is rendered too

    answers = {name: answer for name, answer in ANSWERS.items() if not name.startswith("_")}
    derived = {name: value for name, value in ANSWERS.items() if name.startswith("__") and name != "__prompts__"}
    content = {
        "cookiecutter": answers | derived,
        "default_context": {name: default(answer) for name, answer in answers.items()},
    }
    text = json.dumps(content, ensure_ascii=False, indent=2)
    ANSWERS_FILE.write_text(f"{text}\n", encoding="utf-8", newline="\n")


def remove_unwanted(previous: dict[str, object]) -> None:
    """Remove the files that the previous answers asked for and these do not, and their folders when they are empty.

    A file of such a name that no bake has made is the user's, and stays.
    """
    for name, answer, choice in OPTIONAL:
        file = Path(name)
        if ANSWERS[answer] == choice:
            continue
        made_by_a_bake = previous.get(answer) == choice
        if made_by_a_bake and file.exists():
            file.unlink()
            print(f"{name}: removed, as {answer} is now {json.dumps(ANSWERS[answer])}.")
        for folder in list(file.parents)[:-1]:
            with contextlib.suppress(OSError):  # it is not there, or it holds something
                folder.rmdir()
        top = file.parts[0]
        if made_by_a_bake and os.path.exists(top):
            print(f"{top}: kept, for the files in it that are your own.")


def assignments(text: str) -> dict[str, str]:
    """The variables that an .env file sets, by name; of two lines for one, the later one counts. Comments set none."""
    return {
        name: re.sub(r"\\(.)", r"\1", double or single) or plain
        for name, double, single, plain in ASSIGNMENT.findall(text)
    }


def missing(example: str, present: dict[str, str]) -> str:
    """The paragraphs of the example that set a variable which is not present, without the lines that are present."""
    added = []
    for paragraph in example.strip().split("\n\n"):
        lines = paragraph.split("\n")
        if set(assignments(paragraph)) - set(present):
            added.append("\n".join(line for line in lines if not set(assignments(line)) & set(present)))
    return "\n\n".join(added)


def known_secret(placeholder: str, example: dict[str, str], present: dict[str, str]) -> str:
    """The secret that a variable which is present has in the placeholder's stead, alone or in a URL; or an empty one."""
    for name, value in example.items():
        if value == placeholder and present.get(name):
            return present[name]
        if placeholder in value:
            with contextlib.suppress(ValueError):  # no URL
                ours, theirs = urlsplit(value), urlsplit(present.get(name, ""))
                password = unquote(theirs.password or "")
                if ours.scheme.startswith(theirs.scheme) and password and "${" not in password:
                    return password
    return ""


def with_secrets(text: str, found: dict[str, str]) -> str:
    """The text with each placeholder replaced: in a URL percent-encoded, alone in quotes where it needs them."""

    def value(line: str) -> str:
        name, _, alone = line.partition("=")
        if alone in found:
            plain = re.fullmatch(r"[\w.~%+/@:-]+", found[alone], re.ASCII)
            escaped = found[alone].replace("\\", "\\\\").replace("'", "\\'")
            return f"{name}={found[alone]}" if plain else f"{name}='{escaped}'"
        return PLACEHOLDER.sub(lambda match: quote(found[match[0]], safe=""), line)

    return "\n".join(map(value, text.split("\n")))


def replace(path: Path, text: str) -> None:
    """Put ``text`` in the file's place in one step, readable by its owner only (0600).

    Whatever interrupts this, the file is the old one or the new one. A link stays one, and what it names is replaced.
    """
    target = path.resolve()
    scratch = target.with_name(f"{target.name}.new")  # .gitignore names it: a killed process leaves it
    scratch.unlink(missing_ok=True)
    try:
        new = os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with open(new, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            file.write(text)
            if target.exists():  # a new file can be made again, and a disk takes as long for this as for all else here
                file.flush()
                os.fsync(file.fileno())
        scratch.replace(target)
    finally:
        scratch.unlink(missing_ok=True)


def tighten(path: Path) -> None:
    """Take the file of secrets away from everyone but its owner."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name == "posix" and mode & 0o077:
        path.chmod(mode & 0o600)
        print(f"{path}: now readable by its owner only (its mode was {mode:04o}).")


def read_example(path: Path) -> str:
    """The tracked example beside ``path``, with a placeholder wherever a secret belongs.

    The example of production leaves its secrets empty, so that whoever copies it and forgets one is told so at the start.
    """
    example = path.with_name(f"{path.name}.example").read_text(encoding="utf-8")
    return re.sub(
        r"^(\w+_(?:KEY|PASSWORD))=$",
        lambda match: f"{match[0]}change-me-{match[1].lower().replace('_', '-')}",
        example,
        flags=re.MULTILINE,
    )


def write_env(path: Path) -> None:
    """Write ``path`` from the tracked example beside it, each placeholder replaced by a secret of this project alone.

    A file that is there keeps every byte; what it lacks is added at its end, with line ends like its own, and named. A
    new file has LF line ends everywhere.
    """
    example = read_example(path)
    old = ""
    if path.exists():
        tighten(path)
        old = path.read_bytes().decode("utf-8", "surrogateescape")
    wanted, present = assignments(example), assignments(old)
    text = missing(example, present) if old else example.strip()
    if not text:
        return
    placeholders = set(PLACEHOLDER.findall(example))
    found = {name: known_secret(name, wanted, present) or secrets.token_urlsafe(48) for name in placeholders}
    text = f"{with_secrets(text, found)}\n"
    if old:
        end = "\r\n" if "\r\n" in old else "\n"
        gap = end if old.endswith("\n") else end * 2
        text = old + gap + text.replace("\n", end)
    replace(path, text)
    if old:
        print(f"{path}: kept as it was, and added {', '.join(name for name in wanted if name not in present)}.")


def report_changed_values(path: Path, previous: dict[str, object]) -> None:
    """After a change of broker or database, name the variables of ``path`` that its example now gives another value."""
    if all(previous.get(answer, ANSWERS[answer]) == ANSWERS[answer] for answer in ("broker", "database")):
        return
    present = assignments(path.read_bytes().decode("utf-8", "surrogateescape"))
    example = assignments(read_example(path))
    other = [
        name
        for name, value in example.items()
        if not re.fullmatch(".+".join(map(re.escape, PLACEHOLDER.split(value))), present.get(name, ""))
    ]
    if other:
        print(f"{path}: kept your {', '.join(other)}. {path}.example says what the new answers need.")


def lock(folder: str) -> None:
    """Make uv.lock from the user's own index, or say how. ``BAKE_UV_LOCK=0`` leaves it out."""
    if os.environ.get("BAKE_UV_LOCK") == "0" or Path("uv.lock").exists():
        return
    import subprocess  # here, because it takes a tenth of this hook's time

    try:
        subprocess.run(["uv", "lock", "--quiet"], check=True, timeout=LOCK_SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        reason = "uv is not installed" if isinstance(error, FileNotFoundError) else str(error)
        print(f"uv.lock was not made: {reason}. When uv and the network are there, in {folder}, run: uv lock")


def commit(folder: str) -> None:
    """Make a repository with a first commit, or say how. ``BAKE_GIT_INIT=0`` leaves it out.

    In a repository that is there already nothing is done. Nor is a commit made for a person whom git does not know.
    """
    if os.environ.get("BAKE_GIT_INIT") == "0":
        return
    import subprocess

    def git(*arguments: str) -> subprocess.CompletedProcess[str]:
        """Run git in the project's folder. What it says is in English."""
        return subprocess.run(
            ["git", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "LC_ALL": "C"},
            timeout=GIT_SECONDS,
            check=False,
        )

    by_hand = f'In {folder}, run: git init && git add --all && git commit --message "First commit"'
    if MADE_BY_CRUFT:
        print(f"cruft writes .cruft.json when this is done, so no git repository was made. {by_hand}")
        return
    try:
        if "not a git repository" not in git("rev-parse", "--is-inside-work-tree").stderr:
            return
        for arguments in (("-c", "init.defaultBranch=main", "init"), ("add", "--all")):
            done = git(*arguments)
            if done.returncode:
                print(f"git {arguments[-1]} failed ({done.stderr.strip()}). {by_hand}")
                return
        done = git("-c", "user.useConfigOnly=true", "commit", "--message", "First commit")
    except (OSError, subprocess.SubprocessError) as error:
        reason = "git is not installed" if isinstance(error, FileNotFoundError) else str(error)
        print(f"No git repository was made: {reason}. {by_hand}")
        return
    if done.returncode:
        reason = (done.stderr or done.stdout).strip().partition("\n")[0]
        print(f"All is staged in a new git repository, but not committed: {reason}. When that is mended,")
        print(f'in {folder}, run: git commit --message "First commit"')
    else:
        print("Made a git repository, with a first commit on the branch main.")


def main() -> int:
    """Finish the bake in the project's folder, which cookiecutter has made the working directory.

    The exit status is 1 when an .env file could not be written.
    """
    previous = previous_answers()
    is_first = not previous and not os.path.lexists(".env")
    remove_unwanted(previous)
    keep_answers()
    if FOR_COMPARISON:
        return 0
    for path in (Path(".env"), Path(".env.production")):
        try:
            write_env(path)
            report_changed_values(path, previous)
        except OSError as error:
            print(f"ERROR: {path} could not be written and is as it was: {error.strerror}.", file=sys.stderr)
            return 1
    folder = Path.cwd().name
    lock(folder)
    if is_first:
        commit(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
