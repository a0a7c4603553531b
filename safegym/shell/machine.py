"""What the shell says of the machine it runs on: its name, its users, its disks, what it has installed and what not."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import urlsplit

from safegym.shell.builtins import Answer, Call, Command, Room, StopError, absolute, options
from safegym.shell.clock import formatted
from safegym.shell.commands import bc, date, dice, epoch, ls, mktemp, shuf, stat, uuidgen, zcat

_KERNEL = "6.1.0-28-amd64"
_BUILD = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.119-1 (2024-11-22)"
_WHENCE = re.compile(r"^(?:[a-z+]+://)?([^/:?#]+)")

_PRESENT = """
[ awk base32 base64 basename bash bc bunzip2 bzip2 cat chgrp chmod chown cksum clear cmp comm column cp curl cut
date dd df diff dirname du echo egrep env expand expr factor false fgrep file find flock fmt fold free gawk grep
groups gunzip gzip head hexdump hostid hostname iconv id install join jq kill less link ln locale logname ls
md5sum mkdir mkfifo mktemp more mv nice nl nohup nproc numfmt od paste patch pgrep pkill pr printenv printf ps
pwd readlink realpath rev rm rmdir sed seq sh sha1sum sha224sum sha256sum sha384sum sha512sum shasum shuf sleep
sort split stat strings sum sync tac tail tar tee test timeout touch tr tree true truncate tsort tty uname
unexpand uniq unlink unzip uptime users uuidgen watch wc wget which who whoami xargs xxd yes zcat zip
"""
_ABSENT = """
assert busybox csv dotenv glob http json log man nano openssl parallel retry rg semver sudo template tomlq
verify vi yq
"""
INSTALLED = tuple(_PRESENT.split())
MISSING = tuple(_ABSENT.split())
PROC = {
    "/version": f"Linux version {_KERNEL} (debian-kernel@lists.debian.org) (gcc-12 (Debian 12.2.0-14)) {_BUILD}\n",
    "/cpuinfo": "".join(
        f"processor\t: {core}\nvendor_id\t: GenuineIntel\nmodel name\t: Intel(R) Xeon(R) CPU @ 2.20GHz\n"
        "cpu MHz\t\t: 2200.000\ncpu cores\t: 4\n\n"
        for core in range(4)
    ),
    "/meminfo": "MemTotal:        4194304 kB\nMemFree:         3145728 kB\nMemAvailable:    3145728 kB\n",
    "/uptime": "345678.90 1300000.00\n",
    "/loadavg": "0.00 0.01 0.00 1/120 1\n",
    "/mounts": "overlay / overlay rw,relatime 0 0\nproc /proc proc rw,nosuid,nodev,noexec,relatime 0 0\n",
    "/1/cgroup": "0::/\n",
    "/1/comm": "bash\n",
    "/1/cmdline": "bash\0",
    "/self/cgroup": "0::/\n",
    "/self/comm": "bash\n",
    "/self/status": "Name:\tbash\nState:\tR (running)\nPid:\t1\nPPid:\t0\n",
    "/sys/kernel/ostype": "Linux\n",
    "/sys/kernel/osrelease": _KERNEL + "\n",
}


@lru_cache(64)
def settings(user: str, host: str, home: str) -> dict[str, bytes]:
    """Return the files of /etc that a fresh machine has."""
    number = 0 if user == "root" else 1000
    person = "" if user == "root" else f"{user}:x:{number}:{number}:{user}:{home}:/bin/bash\n"
    group = "" if user == "root" else f"{user}:x:{number}:\n"
    texts = {
        "/etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\n'
        'VERSION="12 (bookworm)"\nVERSION_CODENAME=bookworm\nID=debian\nHOME_URL="https://www.debian.org/"\n',
        "/etc/debian_version": "12.8\n",
        "/etc/issue": "Debian GNU/Linux 12 \\n \\l\n\n",
        "/etc/hostname": f"{host}\n",
        "/etc/hosts": f"127.0.0.1\tlocalhost\n127.0.1.1\t{host}\n::1\tlocalhost ip6-localhost ip6-loopback\n",
        "/etc/passwd": "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
        + person,
        "/etc/group": "root:x:0:\nnogroup:x:65534:\n" + group,
        "/etc/shells": "/bin/sh\n/bin/bash\n/usr/bin/sh\n/usr/bin/bash\n",
        "/etc/timezone": "Etc/UTC\n",
    }
    return {path: text.encode() for path, text in texts.items()}


def uname(call: Call, room: Room) -> Answer:
    """Name the system."""
    given, _ = options(call.argv, "asnrvmpio")
    facts = {"s": "Linux", "n": room.host, "r": _KERNEL, "v": _BUILD, "m": "x86_64", "o": "GNU/Linux"}
    asked = "snrvmo" if "a" in given or "--all" in given else "".join(sorted(given, key="snrvmpio".find)) or "s"
    return Answer(" ".join(facts.get(letter, "unknown") for letter in asked) + "\n")


def identity(call: Call, room: Room) -> Answer:
    """Say who types."""
    given, operands = options(call.argv, "ugGnra")
    name = operands[0] if operands else room.user
    number = 0 if name == "root" else room.number if name == room.user else None
    if number is None:
        raise StopError(f"‘{name}’: no such user")
    if given.keys() & {"u", "g", "G"}:
        return Answer(f"{name if 'n' in given else number}\n")
    return Answer(f"uid={number}({name}) gid={number}({name}) groups={number}({name})\n")


def df(call: Call, room: Room) -> Answer:
    """Show the one disk."""
    human = any(word.startswith("-") and not word.startswith("--") and "h" in word for word in call.argv)
    if human or "--human-readable" in call.argv:
        rows = "Filesystem      Size  Used Avail Use% Mounted on\noverlay          40G   12G   27G  31% /\n"
    else:
        rows = (
            "Filesystem     1K-blocks     Used Available Use% Mounted on\n"
            "overlay         41152736 12345821  26684479  32% /\n"
        )
    return Answer(rows)


def uptime(call: Call, room: Room) -> Answer:
    """Say how long the machine has been up."""
    if "-p" in call.argv:
        return Answer("up 4 days, 1 minute\n")
    clock = formatted("%T", room.now)
    return Answer(f" {clock} up 4 days, 1 min,  0 users,  load average: 0.00, 0.01, 0.00\n")


def which(call: Call, room: Room) -> Answer:
    """Find programs along the path."""
    _, operands = options(call.argv, "as")
    found = []
    for name in operands:
        folders = call.env.get("PATH", "/usr/bin").split(":")
        places = [name] if "/" in name else [f"{folder}/{name}" for folder in folders]
        found += [place for place in places if call.fs.exists(absolute(place, call.cwd))][:1]
    return Answer("".join(each + "\n" for each in found), "", 0 if operands and len(found) == len(operands) else 1)


def sleep(call: Call, room: Room) -> Answer:
    """Return at once: the clock stands still anyway."""
    for word in call.argv:
        if not re.fullmatch(r"\d*\.?\d+[smhd]?|\d+\.|infinity", word):
            raise StopError(f"invalid time interval ‘{word}’\nTry 'sleep --help' for more information.")
    return Answer() if call.argv else Answer("", "sleep: missing operand\n", 1)


def curl(call: Call, room: Room) -> Answer:
    """Fail as on a machine without a network."""
    host = _host(call.argv)
    if "--version" in call.argv or "-V" in call.argv:
        return Answer("curl 7.88.1 (x86_64-pc-linux-gnu)\n")
    if not host:
        return Answer("", "curl: try 'curl --help' or 'curl --manual' for more information\n", 2)
    short = "".join(word[1:] for word in call.argv if word.startswith("-") and not word.startswith("--"))
    quiet = ("s" in short or "--silent" in call.argv) and "S" not in short and "--show-error" not in call.argv
    if host in {"localhost", "127.0.0.1", room.host}:
        code, reason = 7, f"Failed to connect to {host} port 80 after 0 ms: Couldn't connect to server"
    else:
        code, reason = 6, f"Could not resolve host: {host}"
    return Answer("", "" if quiet else f"curl: ({code}) {reason}\n", code)


def wget(call: Call, room: Room) -> Answer:
    """Fail as on a machine without a network."""
    host = _host(call.argv)
    if not host:
        return Answer("", "wget: missing URL\nUsage: wget [OPTION]... [URL]...\n", 1)
    quiet = any(word in {"-q", "--quiet"} or re.match(r"-q[A-Za-z]", word) for word in call.argv)
    return Answer("", "" if quiet else f"wget: unable to resolve host address ‘{host}’\n", 4)


def _host(argv: list[str]) -> str:
    words = [word for word in argv if not word.startswith("-")]
    address = next((word for word in words if "://" in word), words[-1] if words else "")
    if "://" in address:
        return urlsplit(address).hostname or ""
    match = _WHENCE.match(address)
    return match[1] if match else ""


def usage(call: Call, room: Room) -> Answer:
    """Answer `help`."""
    return Answer(
        "GNU bash, version 5.2.15(1)-release (x86_64-pc-linux-gnu)\n"
        "These shell commands are defined internally.  Type `help' to see this list.\n"
        "Use `info bash' to find out more about the shell in general.\n"
    )


def missing(call: Call, room: Room) -> Answer:
    """Be no such command."""
    return Answer("", f"bash: line 1: {call.name}: command not found\n", 127)


_OWN: dict[str, Command] = {
    "bc": bc, "curl": curl, "date": date, "df": df, "help": usage, "id": identity, "ls": ls, "mktemp": mktemp,
    "shuf": shuf, "sleep": sleep, "stat": stat, "uname": uname, "uptime": uptime, "uuidgen": uuidgen, "wget": wget,
    "which": which, "zcat": zcat,
    "RANDOM": dice(2**15), "SRANDOM": dice(2**32), "EPOCHSECONDS": epoch, "EPOCHREALTIME": epoch,
}  # fmt: skip
COMMANDS: dict[str, Command] = {**_OWN, **dict.fromkeys(MISSING, missing)}
