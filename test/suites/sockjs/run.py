"""Runs sockjs-protocol's tests, which are Python 2, with Python 3: run.py DIRECTORY [TEST...], the server in SOCKJS_URL.

Their text is read, put into Python 3's words, and run; nothing in it is left out but what LEFT_OUT names.
"""

import re
import sys
import types
import unittest
from pathlib import Path

LEFT_OUT = {
    "Websocket.test_haproxy": "the handshake of hixie-76, which browsers left in 2011",
    "Http10.test_synchronous": "HTTP/1.0",
    "Http10.test_streaming": "HTTP/1.0",
}

WORDS = [
    (r"^import unittest2 as unittest$", "import unittest"),
    (r"\blambda\((\w+)\):", r"lambda \1:"),
    (r"\bunichr\(", "chr("),
    (r"\blong\b(?=\])", "int"),
]


def load(directory):
    text = (Path(directory) / "sockjs-protocol.py").read_text("utf-8")
    for pattern, word in WORDS:
        text = re.sub(pattern, word, text, flags=re.MULTILINE)
    module = types.ModuleType("sockjs_protocol")
    sys.modules[module.__name__] = module
    exec(compile(text, "sockjs-protocol.py", "exec"), module.__dict__)
    return module


def leave_out(module):
    for name, reason in LEFT_OUT.items():
        case, test = name.split(".")
        function = getattr(module, case).__dict__[test]
        setattr(getattr(module, case), test, unittest.skip(reason)(function))


if __name__ == "__main__":
    directory, *tests = sys.argv[1:]
    suite = load(directory)
    leave_out(suite)
    unittest.main(module=suite, argv=["sockjs-protocol", "-v", *tests], warnings="ignore")
