"""Runs the vendors' own clients on the simulator: `EDR_SIM=…/edr-sim python run.py [name …]`."""

import guard  # first: nothing that follows may leave loopback

import pathlib
import sys
import unittest


def main():
    here = pathlib.Path(__file__).parent
    sys.path.insert(0, str(here))
    loader = unittest.TestLoader()
    names = sys.argv[1:]
    suite = loader.loadTestsFromNames(names) if names else loader.discover(str(here), "test_*.py")
    result = unittest.TextTestRunner(verbosity=2, durations=5).run(suite) if sys.version_info >= (3, 12) \
        else unittest.TextTestRunner(verbosity=2).run(suite)
    if guard.violations:
        sys.exit(f"{len(guard.violations)} attempts to leave loopback: {guard.violations}")
    if result.testsRun == 0 or result.skipped:
        sys.exit(f"{result.testsRun} tests ran, {len(result.skipped)} were skipped: all must run")
    sys.exit(not result.wasSuccessful())


main()
