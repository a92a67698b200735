"""Chromium, driven by playwright-core (npm) through tests/support/browser.js. Where either cannot
be had, the test is skipped with the reason."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from support.foreign import npm_folder
from support.process import child_setup

PACKAGES = ["playwright-core@1.56.1", "axe-core@4.14.1"]
PROGRAMS = ["chromium", "chromium-browser", "google-chrome"]


def chromium():
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if not found:
        pytest.skip("needs chromium (deploy/install-deps --foreign)")
    return found


class Browser:
    """One browser, one page at a time: open() closes the one before."""

    def __init__(self):
        program = chromium()
        if not shutil.which("node"):
            pytest.skip("needs node and npm (deploy/install-deps --foreign)")
        packages = npm_folder("playwright-core-1.56.1", PACKAGES)
        self.process = subprocess.Popen(
            ["node", Path(__file__).with_name("browser.js"), packages, program], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=child_setup())

    def order(self, what, **more):
        self.process.stdin.write(json.dumps({"do": what, **more}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the browser's driver has ended"
        answer = json.loads(line)
        assert "error" not in answer, f"{what} {more}: {answer['error']}"
        return answer["value"]

    def open(self, url, **options):
        """@options: of Playwright's newContext: viewport, colorScheme, reducedMotion ..."""
        self.order("open", url=url, options=options)

    def click(self, on):
        self.order("click", on=on)

    def fill(self, on, text):
        self.order("fill", on=on, text=text)

    def press(self, *keys):
        for key in keys:
            self.order("press", key=key)

    def evaluate(self, script, arg=None):
        """@script: a function of JavaScript with one parameter"""
        return self.order("evaluate", script=script, arg=arg)

    def until(self, script, arg=None):
        """Waits until that function returns something true."""
        self.order("until", script=script, arg=arg)

    def console(self):
        return self.order("console")

    def remove(self):
        try:
            self.process.communicate('{"do": "quit"}\n', timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
