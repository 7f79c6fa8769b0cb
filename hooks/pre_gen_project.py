"""Refuses bad answers, all of them at once, before a file is written. `answer_validators.py` has found them.

It imports only `sys`, which is built into Python: any other import would take longer than the whole hook, and a file of
its name in the temporary folder, where cookiecutter runs the hook, would be run instead.
"""

import sys

COMPLAINTS = """{{ cookiecutter | refusal }}"""

if COMPLAINTS:
    print(COMPLAINTS, file=sys.stderr)
    sys.exit(1)
