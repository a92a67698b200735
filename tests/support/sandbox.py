"""Runs a program under the system call filters of a systemd unit, as systemd would set them:

    sandbox.py UNIT PROGRAM [WORD...]

SystemCallFilter=, RestrictAddressFamilies= and MemoryDenyWriteExecute= only: what is left of a
sandbox where no systemd runs. Needs libseccomp, which systemd-analyze needs, too.
"""

import ctypes
import errno
import functools
import mmap
import os
import socket
import subprocess
import sys
from pathlib import Path

ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM  # SCMP_ACT_ALLOW, SCMP_ACT_ERRNO(EPERM)
EQUAL, GREATER, MASKED_EQUAL = 4, 6, 7
FAMILIES = range(64)  # AF_MAX is below it


class Compare(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64),
                ("b", ctypes.c_uint64)]


def library():
    lib = ctypes.CDLL("libseccomp.so.2")
    lib.seccomp_init.argtypes, lib.seccomp_init.restype = [ctypes.c_uint32], ctypes.c_void_p
    lib.seccomp_load.argtypes = [ctypes.c_void_p]
    lib.seccomp_rule_add_array.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int,
                                           ctypes.c_uint, ctypes.POINTER(Compare)]
    return lib


class Filter:
    """One filter: what it does with calls that no rule names, then rules, then load()."""

    def __init__(self, lib, otherwise):
        self.lib, self.context = lib, lib.seccomp_init(otherwise)

    def rule(self, action, call, *compare):
        number = self.lib.seccomp_syscall_resolve_name(call.encode())
        if number < 0:  # a call of other machines, or newer than the library
            return
        done = self.lib.seccomp_rule_add_array(self.context, action, number, len(compare),
                                               (Compare * len(compare))(*compare))
        if done:
            raise OSError(-done, f"seccomp rule for {call}")

    def load(self):
        done = self.lib.seccomp_load(self.context)
        if done:
            raise OSError(-done, "seccomp_load")


def settings(unit):
    """The lines NAME=VALUE of a unit, in their order."""
    lines = [line for line in Path(unit).read_text().splitlines()
             if "=" in line and line[0] not in "#;["]
    return [tuple(line.split("=", 1)) for line in lines]


@functools.cache
def named_sets():
    """{@NAME: words}, as systemd has them."""
    listed = subprocess.run(["systemd-analyze", "--no-pager", "syscall-filter"], check=True,
                            stdout=subprocess.PIPE, text=True).stdout
    found, words = {}, []
    for line in listed.splitlines():
        if line and not line.startswith(" "):
            words = found[line.strip()] = []
        elif line and not line.lstrip().startswith("#"):
            words.append(line.strip())
    return found


def calls_of(word):
    """The names that a word of SystemCallFilter= stands for."""
    if not word.startswith("@"):
        return {word}
    return set().union(*map(calls_of, named_sets()[word]))


def allowed_calls(values):
    """Of the values of SystemCallFilter=, the first of which is a list of what is allowed."""
    allowed = calls_of("@default") | {"execve"}
    for value in values:
        found = set().union(*(calls_of(word) for word in value.lstrip("~").split()))
        allowed = allowed - found if value.startswith("~") else allowed | found
    return allowed


def confine(unit):
    found = settings(unit)
    values = {name: value for name, value in found}
    calls = allowed_calls([value for name, value in found if name == "SystemCallFilter"])
    lib = library()
    memory = Filter(lib, ALLOW)
    if values.get("MemoryDenyWriteExecute") == "yes":
        both = mmap.PROT_WRITE | mmap.PROT_EXEC
        memory.rule(REFUSE, "mmap", Compare(2, MASKED_EQUAL, both, both))
        for call in "mprotect", "pkey_mprotect":
            memory.rule(REFUSE, call, Compare(2, MASKED_EQUAL, mmap.PROT_EXEC, mmap.PROT_EXEC))
    families = {getattr(socket, name) for name in values["RestrictAddressFamilies"].split()}
    for family in set(FAMILIES) - families:
        memory.rule(REFUSE, "socket", Compare(0, EQUAL, family, 0))
    memory.rule(REFUSE, "socket", Compare(0, GREATER, max(FAMILIES), 0))
    names = Filter(lib, REFUSE)
    for call in sorted(calls):
        names.rule(ALLOW, call)
    memory.load()
    names.load()  # the last: it may forbid seccomp() itself


if __name__ == "__main__":
    confine(sys.argv[1])
    os.execv(sys.argv[2], sys.argv[2:])
