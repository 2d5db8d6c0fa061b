"""The engine and the emulator as processes, for tests on files that the real engine has written."""

import json
import os
import re
import subprocess
import time
import urllib.request
from base64 import b64encode
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[4]
NODE = ROOT / "node_modules" / ".bin" / "node"
EMULATOR = ROOT / "packages" / "stripe-emulator" / "src" / "bin.ts"
ENGINE = ROOT / "packages" / "tdog" / "src" / "bin.ts"
ENVIRONMENT = {"PATH": os.environ.get("PATH", ""), "HOME": os.environ.get("HOME", "")}


@contextmanager
def emulator(*arguments):
    """(address, key) of a running emulator."""
    process = subprocess.Popen(
        [NODE, EMULATOR, "--port", "0", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ENVIRONMENT
    )
    try:
        said, end = "", time.monotonic() + 120
        while not (found := re.search(r"(http://\S+)[\s\S]*?\b(sk_test_\w+)", said)):
            line = process.stdout.readline()
            assert line and time.monotonic() < end, f"the emulator did not start: {said}"
            said += line
        yield found.group(1), found.group(2)
    finally:
        process.terminate()
        process.stdout.close()
        process.wait(30)


def download(address: str, key: str, file, *arguments) -> None:
    """One full download by the engine, then the site's own indexes."""
    import sqlite3

    done = subprocess.run(
        [NODE, ENGINE, "--target", str(file), "--api-base", address, "--progress", "none", *arguments],
        env={**ENVIRONMENT, "STRIPE_SECRET_KEY": key}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    db = sqlite3.connect(file)
    db.executescript((Path(__file__).parent.parent / "indexes.sql").read_text())
    db.close()


def objects(address: str, key: str, path: str) -> "list[dict]":
    """All objects of a list, as any client of Stripe's would read them."""
    found, after = [], ""
    while True:
        joint = "&" if "?" in path else "?"
        request = urllib.request.Request(f"{address}{path}{joint}limit=100{after}")
        request.add_header("Authorization", "Basic " + b64encode(f"{key}:".encode()).decode())
        with urllib.request.urlopen(request, timeout=60) as answer:
            page = json.load(answer)
        found += page["data"]
        if not page["has_more"]:
            return found
        after = f"&starting_after={page['data'][-1]['id']}"
