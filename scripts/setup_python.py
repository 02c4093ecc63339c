"""Says whether the Python that runs this can make the environment; setup.sh runs it with any, so it is plain."""
# ruff: noqa: F401, UP031

import sys

if not (3, 10) <= sys.version_info[:2] <= (3, 13):
    sys.exit("Python %d.%d" % sys.version_info[:2])
if sys.implementation.name != "cpython" or sys.maxsize < 2**32:
    sys.exit("no 64-bit CPython")
try:
    import ctypes
    import ensurepip
    import lzma
    import sqlite3
    import ssl
    import venv
except ImportError as error:
    sys.exit("lacks the module %s" % error.name)
