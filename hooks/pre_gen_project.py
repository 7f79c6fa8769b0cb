"""Refuses bad answers, all of them at once, before a file is written. `answer_validators.py` found what to say.

It imports nothing but `sys`, which is part of Python itself: another module would take longer than all that is done
here, and one of its name that lies in the temporary folder, where cookiecutter runs this, would be run instead.
"""

import sys

COMPLAINTS = """{{ cookiecutter | refusal }}"""

if COMPLAINTS:
    print(COMPLAINTS, file=sys.stderr)
    sys.exit(1)
