"""What tests of the command line share: a folder of their own for runs and cache, and the program called with its status checked."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

BINARY = sys.argv[1]


class CommandLineTest(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="safelight-test-"))
        # The smallest model, unless a test names another one.
        self.env = dict(os.environ, SAFELIGHT_RUNS=str(self.dir / "runs"), XDG_CACHE_HOME=str(self.dir / "cache"), SAFELIGHT_MODEL="signs-nano")

    def tearDown(self):
        shutil.rmtree(self.dir)

    def call(self, *args, status=0, timeout=300):
        done = subprocess.run([BINARY, *map(str, args)], env=self.env, capture_output=True, timeout=timeout)
        self.assertEqual(done.returncode, status, done.stderr.decode(errors="replace"))
        return done
