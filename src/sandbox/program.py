# What a child does with its program: load it, call it, write down what it returns.
#
# The text of this file goes before that of `zygote.py`; together they are the zygote's program. All
# of this runs in the child, next to the program itself, which can change any of it. That is why
# nothing here decides anything: a program that rewrites `encode` only forges its own answers.
#
# A child writes lines, each at most once and in this order: "R" (restricted), "L" (loaded) or
# "L!word", one "i=value" or "i!word" a case, "." (done).

import sys

sys.path[:] = [entry for entry in sys.path if entry]  # not the working directory

import collections
import errno
import json
import linecache
import os
import random
import types

# Names of the harness itself, so that a program that changes `builtins` does not change these.
from builtins import BaseException, BlockingIOError, MemoryError, OSError, PermissionError, SystemExit
from builtins import ascii, bool, dict, enumerate, float, hex, int, issubclass, len, list, repr, str, tuple, type
from os import _exit as leave, getpid as own_pid, kill

DEPTH_LIMIT = 200  # of nested lists in an answer
SMALL = 2**63
ANSWER_BYTES = 1 << 20  # of all cases together, as text
BALLAST_BYTES = 1 << 20  # given back when memory runs out, so that the child can still say so
# Python counts each of these equal to a dict with the same items.
DICTS = (dict, collections.Counter, collections.defaultdict, collections.OrderedDict)
CONTAINERS = (list, tuple) + DICTS
items_of = dict.items  # whatever a program puts in the place of a subclass's own


class Unsupported(Exception):
    pass


class TooLong(Exception):
    pass


# A value as text, built only from exact types: a subclass or a stranger is `Unsupported`.
#
# `room` is a list of one number: how much text may still be written.
def encode(value, room, depth=DEPTH_LIMIT):
    kind = type(value)
    if value is None or kind is bool or kind is float or kind is int and -SMALL < value < SMALL:
        return repr(value)
    if kind is int or kind is str:
        text = hex(value) if kind is int else ascii(value)
        charge(room, len(text))
        return text
    if depth == 0 or kind not in CONTAINERS:
        raise Unsupported
    charge(room, 2 + 2 * len(value))
    if kind is list:
        return "[" + ",".join([encode(item, room, depth - 1) for item in value]) + "]"
    if kind is tuple:
        return "(" + ",".join([encode(item, room, depth - 1) for item in value]) + ")"
    items = []
    for key, item in items_of(value):
        if type(key) is not str:
            raise Unsupported
        items.append(encode(key, room, 0) + ":" + encode(item, room, depth - 1))
    return "{" + ",".join(items) + "}"


def charge(room, amount):
    room[0] -= amount
    if room[0] < 0:
        raise TooLong


# Drops what the error's frames hold. Not by assignment, which its class can redefine.
def let_go(error):
    BaseException.with_traceback(error, None)


def word_for(error):
    kind = type(error)  # not `isinstance`, which asks the error itself what it is
    if issubclass(kind, SystemExit):
        return "exited"
    if issubclass(kind, MemoryError):
        return "memory"
    if issubclass(kind, PermissionError):
        return "forbidden"
    if kind is OSError and error.errno == errno.ENOMEM:
        return "memory"
    return "exception"


# A module as an import would leave it; `inspect` and tracebacks find its source.
def new_module(source):
    module = types.ModuleType("program")
    module.__file__ = FILE
    linecache.cache[FILE] = (len(source), None, source.splitlines(True), FILE)
    sys.modules["program"] = sys.modules["__main__"] = module
    return module


FILE = "<program>"


# The program, the entry and the inputs. Integers of any length: Python's limit is for text.
def read_job(payload):
    digits = getattr(sys, "get_int_max_str_digits", int)()
    if digits:
        sys.set_int_max_str_digits(0)
    job = json.loads(payload)
    if digits:
        sys.set_int_max_str_digits(digits)
    return job


def say(text, write=os.write, set_blocking=os.set_blocking):
    data = text.encode("ascii")
    while data:
        try:
            data = data[write(CHANNEL, data) :]
        except BlockingIOError:
            set_blocking(CHANNEL, True)  # the program has changed that


CHANNEL = 100  # the child's descriptor of the socket to the kit
