#!/usr/bin/env python
"""Django's command-line utility. It uses the development settings, and for tests those of tests."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    if sys.argv[1:2] in (["test"], ["testserver"]):
        # Also where the environment names the settings of development, as in a dev container. `--settings` names others.
        os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.test"
    elif not os.environ.get("DJANGO_SETTINGS_MODULE"):
        os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.development"
    execute_from_command_line(sys.argv)
