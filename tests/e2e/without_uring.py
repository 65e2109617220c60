#!/usr/bin/python3
"""Runs a program with io_uring blocked by seccomp, as container runtimes block it: without_uring.py PROGRAM [ARGS]"""
import ctypes
import errno
import os
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD, JUMP_IF_AT_LEAST, JUMP_IF_GREATER, RETURN = 0x20, 0x35, 0x25, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
IO_URING_SETUP, IO_URING_REGISTER = 425, 427  # the same numbers on every architecture


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def instruction(code, when_true, when_false, value):
    return struct.pack("=HBBI", code, when_true, when_false, value)


def main():
    code = b"".join([
        instruction(LOAD, 0, 0, 0),  # the number of the system call
        instruction(JUMP_IF_AT_LEAST, 0, 2, IO_URING_SETUP),
        instruction(JUMP_IF_GREATER, 1, 0, IO_URING_REGISTER),
        instruction(RETURN, 0, 0, REFUSE),
        instruction(RETURN, 0, 0, ALLOW),
    ])
    libc = ctypes.CDLL(None, use_errno=True)
    program = Program(len(code) // 8, code)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER,
                                                                 ctypes.byref(program), 0, 0):
        sys.exit(77)
    os.execvp(sys.argv[1], sys.argv[1:])


main()
