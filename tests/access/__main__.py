"""`python -m tests.access`: asks every address as everybody and writes matrix.txt anew, to be read before it stays."""

import os
import sys


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    from django.test.utils import setup_databases, setup_test_environment, teardown_databases

    from .scene import scene
    from .table import FILE, Visitors, rows, text_of

    setup_test_environment()
    made = setup_databases(verbosity=0, interactive=False, serialized_aliases=set())
    try:
        with scene() as there:
            names = list(there.people)
            found = rows(Visitors(there), names)
    finally:
        teardown_databases(made, verbosity=0)
    FILE.write_text(text_of(found, names))
    print(f"{len(found)} rows are written to {FILE}; `git diff` shows what is new.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
