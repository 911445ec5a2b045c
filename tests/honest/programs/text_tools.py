# entry: compare
# case: ["kitten", "sitting"] -> {"ratio": 0.62, "close": ["kitten"], "host": "example.org", "address": true, "words": ["a b", "c"], "html": "&lt;b&gt;"}
# word: pass
import difflib
import fnmatch
import html
import ipaddress
import shlex
import urllib.parse
import xml.etree.ElementTree as ElementTree
from email.utils import parseaddr
from html.parser import HTMLParser


def compare(a, b):
    assert ElementTree.fromstring("<a><b x='1'/></a>").find("b").get("x") == "1"
    assert parseaddr("Ann <ann@example.org>")[1] == "ann@example.org" and fnmatch.fnmatch("a.py", "*.py")
    HTMLParser().feed("<p>text</p>")
    return {
        "ratio": round(difflib.SequenceMatcher(None, a, b).ratio(), 2),
        "close": difflib.get_close_matches(a, [a, b], n=1),
        "host": urllib.parse.urlparse("https://example.org/path?q=1").hostname,
        "address": ipaddress.ip_address("10.0.0.1") in ipaddress.ip_network("10.0.0.0/8"),
        "words": shlex.split("'a b' c"),
        "html": html.escape("<b>"),
    }
