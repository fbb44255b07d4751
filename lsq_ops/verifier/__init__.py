"""The verifier that travels with a deletion evidence report: nothing but Python 3.8, or a browser.

What is written here is what is tested here: the file in the report is these parts, one behind the other."""

import re
from pathlib import Path

HERE = Path(__file__).parent
PARTS = (HERE.parent / "chain.py", HERE / "bundle.py", HERE / "trail.py", HERE / "facts.py", HERE / "main.py")
OURS = re.compile(r"^( *)from (?:lsq_ops|\.)[\w.]* import (?:\([^)]*\)|.*)\n", re.M)
FUTURE = "from __future__ import annotations\n"
STARTER = "import sys\n\nfrom verify import main\n\nsys.exit(main())\n"


def script() -> str:
    """verify.py: one file, so that it can be taken from another report, or from the repository, and used on this."""
    parts = [OURS.sub("", part.read_text(encoding="utf-8").replace(FUTURE, "")) for part in PARTS]
    head = '#!/usr/bin/env python3\n"""python3 verify.py [REPORT.zip or its folder]: --help tells more."""\n\n'
    return f"{head}{FUTURE}\n" + "\n\n".join(part.strip("\n") for part in parts) + "\n"


def page() -> str:
    """verify.html: the same for a browser."""
    return (HERE / "verify.html").read_text(encoding="utf-8")
