from __future__ import annotations

import copy
import os
import pickle
import resource
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from safegym.errors import WorldError
from safegym.shell import BubblewrapShell, File, Limits, Machine, bubblewrap, open_shell, sandbox
from safegym.shell.base import elided
from safegym.shell.sandbox import SandboxError
from tests.conftest import ROOT, missing_sandbox

NOW = datetime(2026, 1, 5, 9, 4, 5, tzinfo=UTC)
MACHINE = Machine("alice", "web1", NOW, 1234)
FILES = {
    "/app/a.txt": File(b"hello\n"),
    "/app/bin.dat": File(b"\xff\x00\x80"),
    "/app/empty/": File(mode=0o755),
    "/app/l": File(mode=0o777, link_to="a.txt"),
    "/app/run.sh": File(b"#!/bin/bash\necho ran\n", 0o755),
    "/data/deep/er/note": File(b"note\n", 0o600),
    "/data/sales.csv": File(b"day,shop,sum\n1,north,12.50\n2,south,7.25\n3,north,100\n4,west,0.75\n"),
    "/data/sales.json": File(b'[{"shop":"north","sum":12.5},{"shop":"south","sum":7},{"shop":"north","sum":100}]\n'),
}


MISSING = missing_sandbox()
real = pytest.mark.skipif(bool(MISSING), reason=MISSING)


def run(command, files=FILES, machine=MACHINE, **limits):
    return open_shell("bubblewrap").run(files, command, machine, Limits(**limits))


def out(command, **options):
    return run(command, **options).stdout


def changes(command, files=FILES, **options):
    after = run(command, files=files, **options).files
    return {path: after.get(path) for path in files.keys() | after.keys() if after.get(path) is not files.get(path)}


def children():
    """The processes that this process has started and not yet ended, by command."""
    listed = subprocess.run(["ps", "-o", "args=", "--ppid", str(os.getpid())], capture_output=True, text=True)
    return [line.split()[0].rpartition("/")[2] for line in listed.stdout.splitlines() if "ps -o" not in line]


# What is missing


@pytest.mark.parametrize(("lost", "named"), [("bwrap", "bwrap is not installed"), ("nsenter", "nsenter is not")])
def test_without_its_programs_it_says_what_to_install(monkeypatch, lost, named):
    monkeypatch.setattr(sandbox, "which", lambda name, path: None if name == lost else f"/usr/bin/{name}")
    sandbox.installed.cache_clear()
    with pytest.raises(SandboxError, match=f"{named}.*apt-get install bubblewrap libfaketime.*--shell embedded"):
        open_shell("bubblewrap")
    monkeypatch.undo()
    sandbox.installed.cache_clear()


@real
def test_without_libfaketime_it_refuses_because_time_would_show(monkeypatch):
    monkeypatch.setattr(sandbox, "LIBRARIES", ())
    sandbox.installed.cache_clear()
    with pytest.raises(SandboxError, match="libfaketime is not installed"):
        open_shell("bubblewrap")
    monkeypatch.undo()
    sandbox.installed.cache_clear()


def test_its_error_travels():
    error = pickle.loads(pickle.dumps(SandboxError("why")))
    assert "why" in str(error)
    assert str(error) == str(SandboxError("why"))


@pytest.mark.parametrize(
    ("text", "most", "missing", "expected"),
    [
        ("abc", 3, 0, "abc"),
        ("abcdef", 4, 0, "ab\n[... 2 characters left out ...]\nef"),
        ("abcdef", 3, 10, "ab\n[... 13 characters left out ...]\nf"),
    ],
)
def test_the_middle_of_a_long_text_is_left_out(text, most, missing, expected):
    assert elided(text, most, missing) == expected


# What it is


@real
def test_a_shell_says_its_versions_and_travels():
    shell = open_shell("bubblewrap")
    assert shell.name.startswith("bubblewrap 0.")
    assert ", bash " in shell.name
    assert pickle.loads(pickle.dumps(shell)) == shell == copy.deepcopy(shell) == BubblewrapShell()


@real
def test_only_files_outlive_a_command():
    first = run("cd /data; export LEFT=over; x=1; umask 077; echo kept > /app/new")
    second = run("pwd; echo [$LEFT$x]; umask; cat new", files=first.files)
    assert second.stdout == "/app\n[]\n0022\nkept\n"


@real
def test_the_callers_files_are_left_alone_and_results_are_plain_data():
    before = dict(FILES)
    result = run("rm -rf /app/*; echo x > /data/deep/er/note")
    assert before == FILES
    assert pickle.loads(pickle.dumps(result)) == result


@real
@pytest.mark.parametrize(
    "path", ["relative", "/usr/bin/tool", "/dev/x", "/proc/1", "/app/../x", "/app//x", "/", "/etc/alternatives/x"]
)
def test_a_file_that_cannot_be_laid_out_is_refused(path):
    with pytest.raises(WorldError, match="cannot be put"):
        run("true", files={path: File()})


@real
def test_files_that_contradict_or_fill_the_disk_are_refused_and_the_next_call_works():
    with pytest.raises(WorldError, match="both a file and a folder"):
        run("true", files={"/a": File(), "/a/b": File()})
    with pytest.raises(WorldError, match="No space left"):
        run("true", files={f"/a{i}": File(bytes(sandbox.DISK // 4)) for i in range(6)})
    assert out("cat a.txt") == "hello\n"


names = st.text("abcXYZ019._-é \n", min_size=1, max_size=8).filter(lambda name: name not in {".", ".."})
contents = st.builds(File, st.binary(max_size=60), st.integers(0, 0o777))
links = st.builds(lambda target: File(mode=0o777, link_to=target), names)


@real
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(names, contents | links), st.dictionaries(names, st.integers(0, 0o777)))
def test_files_survive_an_idle_command(top, folders):
    files = {f"/app/{name}": file for name, file in top.items()}
    files |= {f"/srv/folder/{name}/": File(mode=mode) for name, mode in folders.items()}
    files |= {f"/else/where/{name}": file for name, file in top.items()}
    after = run("true", files=files).files
    assert after == files
    assert all(after[path] is file for path, file in files.items())


@real
@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("rm a.txt", {"/app/a.txt": None}),
        ("mv a.txt b.txt", {"/app/a.txt": None, "/app/b.txt": File(b"hello\n")}),
        ("chmod 640 a.txt", {"/app/a.txt": File(b"hello\n", 0o640)}),
        ("ln -s /data d", {"/app/d": File(mode=0o777, link_to="/data")}),
        ("sed -i s/hello/bye/ a.txt", {"/app/a.txt": File(b"bye\n")}),
        ("printf bye.. > a.txt", {"/app/a.txt": File(b"bye..")}),
        ("echo more >> l", {"/app/a.txt": File(b"hello\nmore\n")}),
        ("printf '\\xfe\\xff' > raw", {"/app/raw": File(b"\xfe\xff")}),
        ("mkdir one", {"/app/one/": File(mode=0o755)}),
        ("rmdir empty", {"/app/empty/": None}),
        ("chmod 700 empty", {"/app/empty/": File(mode=0o700)}),
        ("touch empty/x", {"/app/empty/": None, "/app/empty/x": File()}),
        ("rm -r /data/*", {each: None for each in FILES if each.startswith("/data/")} | {"/data/": File(mode=0o755)}),
        ("echo t > /tmp/t", {"/tmp/t": File(b"t\n")}),
        ("mkdir -p /usr/local/bin; echo p > /usr/local/bin/p", {"/usr/local/bin/p": File(b"p\n")}),
        ("echo other > /etc/hostname", {"/etc/hostname": File(b"other\n")}),
        ("rm /etc/hostname /etc/hosts; rm -rf /tmp /home", {}),
        ("cp run.sh two.sh", {"/app/two.sh": File(FILES["/app/run.sh"].content, 0o755)}),
        ("nosuch 2> e", {"/app/e": File(b"bash: line 1: nosuch: command not found\n")}),
        ("rm -f a.txt; ln -s run.sh a.txt", {"/app/a.txt": File(mode=0o777, link_to="run.sh")}),
        ("rm l; mkdir l; touch l/in", {"/app/l": None, "/app/l/in": File()}),
        ("touch -d 1999-01-01 a.txt; cat a.txt", {}),
    ],
)
def test_what_a_command_does_to_files(command, expected):
    assert changes(command) == expected


@real
def test_everything_can_be_removed_and_is_back_when_the_same_files_go_in_again():
    gone = run("rm -rf --no-preserve-root / 2>/dev/null", seconds=20)
    assert gone.files == {}
    again = run("cat a.txt /data/deep/er/note; whoami; hostname; date +%F; ls / | tr '\\n' ' '")
    assert again.stdout == run("cat a.txt /data/deep/er/note; whoami; hostname; date +%F; ls / | tr '\\n' ' '").stdout
    assert again.stdout.startswith("hello\nnote\nalice\nweb1\n2026-01-05\n")


@real
def test_a_change_that_keeps_size_and_time_is_seen():
    """The kernel's clock is coarse: a change right after the last look may carry the same time."""
    files = {"/app/n": File(b"000")}
    for number in range(200):
        files = run(f"printf {number:03} > n; touch -d '2026-01-05 09:04:05 UTC' n", files=files).files
        assert files["/app/n"].content == b"%03d" % number


@real
def test_a_write_through_a_mapping_is_seen():
    script = "import mmap; f = open('a.txt', 'r+b'); m = mmap.mmap(f.fileno(), 0); m[0:5] = b'HELLO'"
    held = run("true").files
    time.sleep(0.05)
    assert run(f'python3 -c "{script}"', files=held).files["/app/a.txt"] == File(b"HELLO\n")


# The same for the same: what is left in a sandbox must not show


@real
@pytest.mark.parametrize(
    "before",
    [
        "touch z y x; rm a.txt",
        "mkdir -p p/q; touch p/q/r; chmod 500 p; chmod 700 /app",
        "rm -rf /tmp; mkdir /tmp; touch /tmp/t",
        "rm -rf /var; echo > /var; rm -rf /app; echo x > /app; ln -s /app /srv/app",
        "mv /etc /etc2; ln -s /app /etc",
        "mv /usr /usr2",
        "ln a.txt hard; mkfifo pipe; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"sock\")'",
        "touch $(printf '\\377'); chmod 0 a.txt; chmod 0 empty",
        "touch -d 2001-01-01 a.txt l .; rm /bin /lib /lib64; rm /etc/ld.so.preload /etc/faketimerc",
        "sleep 60 & setsid sleep 60 & nohup sleep 60 >/dev/null & disown -a",
        "exec 7>/dev/stdout; python3 -c 'import os; os.set_blocking(1, False); os.set_blocking(2, False)'",
    ],
)
def test_what_one_command_leaves_does_not_reach_a_call_with_other_files(before):
    tree = "find / -xdev '(' -path /proc -o -path /dev ')' -prune -o -printf '%p %y %m %s %l %T+\\n' 2>&1"
    look = f"{tree}; seq 30000; ps -e -o comm="
    bubblewrap._POOL.close()
    fresh = out(look, output=10**6)
    run(before)
    assert out(look, output=10**6) == fresh


@real
def test_a_sandbox_that_was_ended_from_outside_is_replaced():
    run("true")
    bubblewrap._POOL._free[-1].sandbox._processes[0].kill()
    time.sleep(0.2)
    assert out("cat a.txt") == "hello\n"


# Who and when


@real
def test_it_says_what_the_machine_is():
    said = out(
        "whoami; id -un; id -u; hostname; pwd; echo $HOME $USER $PATH; date; tail -1 /etc/passwd; cat /etc/hostname"
    )
    assert said == (
        "alice\nalice\n1000\nweb1\n/app\n/home/alice alice /usr/local/bin:/usr/bin:/bin\nMon Jan  5 09:04:05 UTC 2026\n"
        "alice:x:1000:1000:alice:/home/alice:/bin/bash\nweb1\n"
    )
    root = replace(MACHINE, user="root", directory="/srv/x", path="/usr/bin")
    assert out("whoami; id -u; pwd; echo $HOME $PATH", machine=root) == "root\n0\n/srv/x\n/root /usr/bin\n"


@real
def test_modes_bind_everybody_but_root():
    command = "chmod 0 a.txt; cat a.txt"
    assert run(command).stderr == "cat: a.txt: Permission denied\n"
    assert out(command, machine=replace(MACHINE, user="root")) == "hello\n"


@real
@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("date -d yesterday +%F", "2026-01-04"),
        ("printf '%(%F %T)T' -1", "2026-01-05 09:04:05"),
        ("echo $EPOCHSECONDS", str(int(NOW.timestamp()))),
        (
            "python3 -c 'import time, datetime; print(time.time(), datetime.datetime.now())'",
            f"{NOW.timestamp()} 2026-01-05 09:04:05",
        ),
        ("jq -n 'now|floor'", str(int(NOW.timestamp()))),
        ("awk 'BEGIN { \"date +%F\" | getline d; print d }'", "2026-01-05"),
        ("date; sleep 0.2; date", "Mon Jan  5 09:04:05 UTC 2026\nMon Jan  5 09:04:05 UTC 2026"),
        ("ls -l --time-style=long-iso a.txt | cut -d' ' -f6,7", "2026-01-05 09:04"),
        ("stat -c %y a.txt l /app /", "\n".join(["2026-01-05 09:04:05.000000000 +0000"] * 4)),
        ("find . -mtime +0; find . -newermt '2026-01-05 09:04:06'", ""),
        ("date -r a.txt +%T", "09:04:05"),
    ],
)
def test_clocks_show_the_machines_time(command, said):
    assert out(command).rstrip("\n") == said


@real
def test_a_file_shows_the_machines_time_from_the_next_command_on():
    after = run("touch new; mkdir folder").files
    said = out("stat -c %y new folder .", files=after)
    assert said == "2026-01-05 09:04:05.000000000 +0000\n" * 3


@real
def test_a_files_time_within_the_command_that_writes_it_is_the_hosts():
    """A known deviation: the kernel stamps files, and libfaketime does not reach what `ls` asks it."""
    assert not out("touch new; stat -c %y new").startswith("2026-01-05")


@real
def test_another_moment_reaches_files_that_lie_in_an_open_sandbox():
    run("true")
    later = replace(MACHINE, now=NOW + timedelta(days=1))
    assert (
        out("date +%F; stat -c %y a.txt /data", machine=later)
        == "2026-01-06\n" + "2026-01-06 09:04:05.000000000 +0000\n" * 2
    )


@real
def test_chance_is_the_machines():
    command = "echo $RANDOM $RANDOM; for i in 1 2 3; do echo $((RANDOM % 6)); done"
    assert out(command) == out(command) != out(command, machine=replace(MACHINE, random=99))


@real
def test_chance_in_subshells_and_scripts_is_not_the_machines():
    """A known deviation: bash draws it from the number of the process."""
    assert len({out("(echo $RANDOM); bash -c 'echo $RANDOM'") for _ in range(5)}) > 1


@real
def test_nothing_of_ours_is_in_the_environment_or_open():
    said = out("env; ls /proc/self/fd; cat /proc/1/environ /proc/self/cmdline /proc/1/cmdline; ps -e -o comm=; ls /dev")
    assert "0\n1\n2\n3\n" in said
    for word in ("BASH_ENV", "FAKETIME", "bwrap", "safegym", "nsenter", "python", "ANSWERS", "OUTER"):
        assert word not in said


@real
def test_exit_codes_are_bashs():
    codes = {"true": 0, "exit 7": 7, "nosuch": 127, "./a.txt": 126, "kill -9 $$": 137, "kill -TERM $$": 143, "foo(": 2}
    assert {command: run(command).exit_code for command in codes} == codes
    assert run("kill -INT $$").exit_code == 130
    assert run("kill -STOP $$").exit_code == 147


# Limits


@real
def test_time_is_up_what_was_said_and_written_stays():
    started = time.monotonic()
    result = run("echo said; echo more >> a.txt; sleep 60; echo never", seconds=0.5)
    assert (result.stdout, result.stderr, result.exit_code) == ("said\n", "Terminated: time limit\n", 124)
    assert result.files["/app/a.txt"] == File(b"hello\nmore\n")
    assert time.monotonic() - started < 20
    assert run("exit 124").stderr == ""


@real
def test_output_is_cut_in_its_middle():
    result = run("seq 1 20; head -c 50M /dev/zero | tr '\\0' x; echo the end", output=20, seconds=30)
    omitted = sum(len(f"{each}\n") for each in range(1, 21)) + 50 * 1024**2 + len("the end\n") - 20
    assert result.stdout == f"1\n2\n3\n4\n5\n\n[... {omitted} characters left out ...]\nxxthe end\n"
    assert result.truncated
    assert not run("echo é").truncated


@real
def test_characters_are_counted_not_bytes():
    result = run("python3 -c \"print('é' * 1000000, end='')\"", output=10)
    assert result.stdout == f"{'é' * 5}\n[... 999990 characters left out ...]\n{'é' * 5}"


GREEDY = (
    ":(){ :|:& };:",
    "yes",
    "cat /dev/zero",
    "while :; do :; done",
    "f() { f; }; f",
    "echo 'bash r' > r; bash r",
    "head -c 2G /dev/zero > f; ls -s f >&2",
    "python3 -c 'x = bytearray(4 << 30)'",
    "x=x; while :; do x=$x$x; done",
    "mkdir d; cd d; for i in $(seq 300); do mkdir d; cd d; done",
    "for i in $(seq 11000); do : > f$i; done",
    "for i in 1 2 3 4; do truncate -s 60M s$i; done; truncate -s 1T t",
    "kill -9 -1; kill -9 0",
    "kill -9 1; kill -STOP 1; kill -9 $PPID; kill -STOP $PPID",
    "for f in /proc/*/fd/*; do echo 0 > $f; done; echo 0 >/proc/1/fd/1; echo 7 >&3; echo 7 >&10; echo 7 >&11",
    "trap '' TERM HUP INT; setsid bash -c 'trap \"\" TERM; while :; do sleep 1; done' & disown",
    "exec >&-; exec 2>&-; exec 0<&-; sleep 0.1",
    "mount -t tmpfs x /mnt; unshare -Urm true; chroot / true; mknod b b 8 0; chown root a.txt",
)


@real
@pytest.mark.parametrize("command", GREEDY)
def test_greed_and_violence_end_and_the_next_call_works(command):
    run(command, seconds=1.5)
    after = run("cat a.txt l; ./run.sh; ps -e -o comm=; exit 0")
    assert (after.stdout, after.exit_code) == ("hello\nhello\nran\nsleep\nbash\nps\n", 0)


@real
def test_what_is_too_much_is_lost_with_a_note_and_the_files_stay():
    result = run("rm a.txt; for i in $(seq 11000); do : > f$i; done", seconds=20)
    assert result.files == FILES
    assert "more than 10000 files: what this command did to files is lost" in result.stderr
    assert "more than 64 MiB" in run("for i in 1 2; do truncate -s 60M s$i; done").stderr


@real
def test_no_more_processes_and_memory_than_allowed():
    said = run("ulimit -u; ulimit -v; ulimit -f; ulimit -n; ulimit -c; ulimit -u 9999").stdout
    assert said.split() == ["128", str(1024**2), str(sandbox.DISK // 1024), "256", "0"]
    assert "Resource temporarily unavailable" in run("for i in $(seq 200); do sleep 9 & done", seconds=2).stderr
    assert run("python3 -c 'x = bytearray(2 << 30)'").exit_code != 0


@real
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(GREEDY), min_size=2, max_size=3), st.sampled_from([" ; ", " & ", " | ", " && ", " || "])
)
def test_any_mixture_of_them_leaves_host_and_memory_alone(pieces, joint):
    command = joint.join(f"{{ {piece.rstrip('&').rstrip()}\n}}" for piece in pieces)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = run(command, seconds=0.3)
    assert len(result.stdout) + len(result.stderr) < 10_000
    assert sum(len(file.content) for file in result.files.values()) <= sandbox.DISK
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 512 * 1024
    assert run("cat a.txt").stdout == "hello\n"
    assert len(children()) <= 2 * bubblewrap.KEPT


# The host


@real
@pytest.mark.parametrize(
    "target",
    ["/etc/shadow", "/proc/self/root/etc/passwd", "../../../../../../../etc/passwd", "/proc/1/root", "/root", "/"],
)
def test_a_link_never_leads_out(target):
    made = run(f"ln -s {target} s; mkdir t; ln -s {target} t/u; rm -rf /data; ln -s {target} /data").files
    assert {made[path].link_to for path in ("/app/s", "/app/t/u", "/data")} == {target}
    again = run("ls -l s /data >/dev/null; rm s; echo x > s", files=made).files
    assert again["/app/s"] == File(b"x\n")
    assert again["/data"].link_to == target


@real
def test_a_folder_exchanged_for_a_link_leads_nowhere(tmp_path):
    tmp_path.chmod(0o777)
    secret = tmp_path / "note"
    secret.write_text("secret")
    files = {"/work/in/note": File(b"1"), "/app/x": File()}
    changed = run(f"mv /work/in /work/was; ln -s {tmp_path} /work/in", files=files).files
    assert changed["/work/in"].link_to == str(tmp_path)
    run("true", files=files)
    assert secret.read_text() == "secret"
    assert os.listdir(tmp_path) == ["note"]  # noqa: PTH208 - names only


@real
def test_host_files_processes_and_network_are_out_of_reach(tmp_path):
    tmp_path.chmod(0o777)
    (tmp_path / "seen").write_text("seen")
    assert (
        out(f"cat {tmp_path}/seen {ROOT}/README.md /etc/shadow 2>/dev/null; ls /home /root")
        == "/home:\nalice\n\n/root:\n"
    )
    assert str(os.getpid()) not in out("ps -e -o pid=").split()
    network = run(
        "curl -sS -m 2 http://1.1.1.1; echo > /dev/tcp/1.1.1.1/53; getent hosts example.com; cat /proc/net/route"
    )
    assert "unreachable" in network.stderr.lower()
    assert "eth0" not in network.stdout
    assert run("touch /usr/bin/x /dev/x /proc/x").exit_code == 1


@real
def test_no_privilege_can_be_had():
    said = out(
        "grep -E 'NoNewPrivs|CapEff|CapPrm' /proc/self/status; unshare -Ur id -u; nsenter -t 1 -U -r id -u; su -c id"
    )
    assert "NoNewPrivs:\t1" in said
    assert said.count("0000000000000000") == 2
    assert "\n0\n" not in said
    root = out(
        "grep CapEff /proc/self/status; mount -t tmpfs x /mnt; unshare -m true || echo no",
        machine=replace(MACHINE, user="root"),
    )
    assert root == "CapEff:\t000000000000003b\nno\n"  # chown, dac_override, fowner, fsetid, kill


# Processes


@real
def test_threads_share_the_sandboxes():
    failures = []

    def work(number):
        files = FILES
        for turn in range(5):
            result = run(f"echo {number} {turn} >> log; cat log", files=files)
            files = result.files
            if result.stdout != "".join(f"{number} {each}\n" for each in range(turn + 1)):
                failures.append(result)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(children()) <= 2 * bubblewrap.KEPT


@real
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_fork_and_a_user_without_privileges_get_sandboxes_of_their_own():
    run("echo parent > p")
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        said = "failed"
        try:
            os.setgroups([])
            os.setresgid(12345, 12345, 12345)
            os.setresuid(12345, 12345, 12345)
            first = run("id -un; chmod 0 a.txt; mkdir -p d/e; touch d/f; chmod 0 d; :(){ :|:& };:", seconds=2)
            second = run("ls -A d; stat -c %a a.txt; rm -r d", files=first.files)
            said = first.stdout + second.stdout + str("/app/d/f" in second.files)
        finally:
            os.write(send, said.encode())
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(receive, 1000).decode() == "alice\ne\nf\n0\nFalse"
    assert out("cat a.txt") == "hello\n"


@real
@pytest.mark.parametrize("how", ["", "os.kill(os.getpid(), signal.SIGKILL)", "os._exit(1)", "raise SystemExit(3)"])
def test_no_sandbox_outlives_the_process(how):
    code = (
        "import os, signal, subprocess, threading\nfrom datetime import UTC, datetime\nfrom safegym.shell import *\n"
        "shell, machine = open_shell('bubblewrap'), Machine('a', 'outlive', datetime(2026, 1, 5, tzinfo=UTC), 1)\n"
        "thread = threading.Thread(target=lambda: shell.run({}, 'true', machine))\nthread.start()\nthread.join()\n"
        "threading.Thread(target=lambda: shell.run({}, 'sleep 2.5', machine), daemon=True).start()\n"
        f"print(shell.run({{}}, 'echo fine', machine).stdout, flush=True)\n{how}\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60)
    assert done.stdout == "fine\n\n"
    for _ in range(50):
        left = subprocess.run(["ps", "-eo", "args="], capture_output=True, text=True, check=True).stdout.count(
            "--hostname outlive"
        )
        if not left:
            break
        time.sleep(0.1)
    assert left == 0


@real
def test_an_interrupt_ends_the_command_and_the_next_call_works():
    def interrupt():
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        run("sleep 30", seconds=30)
    assert out("cat a.txt") == "hello\n"


# The other shell

ORDINARY = (
    "cat a.txt",
    "wc -l /data/sales.csv",
    "head -2 /data/sales.csv; tail -n 1 /data/sales.csv",
    "grep -c north /data/sales.csv",
    "grep -n o a.txt /data/sales.csv",
    "cut -d, -f2 /data/sales.csv | sort | uniq -c | sort -rn | head -1 | tr -s ' '",
    "sort -t, -k3 -n /data/sales.csv",
    "sed -n '2,3p' /data/sales.csv",
    "sed 's/north/N/;s/,/;/g' /data/sales.csv",
    "awk -F, 'NR > 1 { s += $3 } END { printf \"%.2f\\n\", s }' /data/sales.csv",
    "awk -F, 'NR > 1 { s[$2] += $3 } END { for (k in s) print k, s[k] }' /data/sales.csv | sort",
    "jq -r '.[].shop' /data/sales.json",
    "jq '[.[] | select(.shop == \"north\").sum] | add' /data/sales.json",
    "jq -c 'group_by(.shop) | map({(.[0].shop): (map(.sum) | add)}) | add' /data/sales.json",
    "echo one > f; echo two >> f; cat f",
    "cat <<E > f\nx $((1 + 2))\n$(cat a.txt)\nE\ncat f",
    "cat <<'E'\n$x `y`\nE",
    "cat <<< 'here'",
    "for i in 1 2 3; do echo $i; done | tac",
    "i=0; while [ $i -lt 3 ]; do i=$((i + 1)); done; echo $i",
    "x=hello; echo ${x^^} ${#x} ${x/l/L} ${x:1:3} ${y:-none}",
    "a=(p q r); echo ${a[1]} ${#a[@]} ${a[@]:1}",
    'f() { local v=$1; echo "<$v>"; return 3; }; f x; echo $?',
    "case abc in a*) echo yes ;; *) echo no ;; esac",
    "[[ abc =~ ^a(.)c$ ]] && echo ${BASH_REMATCH[1]}",
    "test -f a.txt && test -d empty && test -L l && echo all",
    "ls",
    "ls -d /app /data",
    "ls empty",
    "readlink l",
    "cp a.txt b; cmp a.txt b && echo same",
    "mv a.txt empty/; ls empty",
    "mkdir -p x/y/z; find x -type d | sort",
    "find . -name '*.txt'",
    "touch n; stat -c '%n %s %a' n a.txt",
    "chmod 600 a.txt; stat -c %a a.txt",
    "chmod +x a.txt; stat -c %A a.txt",
    "ln -s a.txt s; cat s; readlink s",
    "rm -rf empty run.sh; ls",
    "echo 'scale=3; 10/3' | bc",
    "echo '2^10' | bc",
    "seq 3 | paste -sd+ | bc",
    "printf '%05.2f|%s|%d\\n' 3.14159 x 7",
    "basename /x/y.txt .txt; dirname /x/y.txt",
    "echo a b c | xargs -n1 echo -",
    "seq 5 | head -n 3 | tail -n 1",
    "echo abc | tr a-c A-C | rev",
    "printf 'b\\na\\nb\\n' | sort -u",
    "tee t < a.txt; cat t",
    "diff a.txt /data/sales.csv > d; echo $?",
    "sha256sum a.txt",
    "md5sum < a.txt",
    "base64 a.txt",
    "nl a.txt",
    "(cd /data; pwd); pwd",
    "{ echo out; echo err >&2; } 2>&1 | sort",
    "nosuch; echo $?",
    "cat nosuch; echo $?",
    "false || echo or",
    "true && echo and; ! true; echo $?",
    "set -e; false; echo never",
    "echo $(( 7 / 2 )) $(( -7 % 3 )) $(( 1 << 4 ))",
    "./run.sh; bash run.sh",
    "export V=1; bash -c 'echo $V'",
    "trap 'echo bye' EXIT; echo hi",
    "echo {a,b}{1..3}",
    "IFS=, read -r a b c <<< 1,2,3; echo $c$b$a",
    "comm -12 <(seq 3) <(seq 2 5)",
    "join -t, <(echo 1,a) <(echo 1,b)",
    "date +%F; date -d '2026-01-01 + 3 days' +%d",
    "whoami; hostname; pwd; echo ~",
    'while IFS=, read -r d s n; do echo "$s:$n"; done < <(tail -n +2 /data/sales.csv)',
    "exit 5",
    "column -t -s, /data/sales.csv",
)


@real
@pytest.mark.parametrize("command", ORDINARY)
def test_both_shells_agree_on_ordinary_commands(command):
    ours = run(command)
    theirs = open_shell("embedded").run(FILES, command, MACHINE)
    assert (ours.stdout, ours.stderr, ours.exit_code) == (theirs.stdout, theirs.stderr, theirs.exit_code)
    assert ours.files == theirs.files
