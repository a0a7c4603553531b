from __future__ import annotations

import copy
import gc
import pickle
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safegym.errors import UnknownNameError, WorldError
from safegym.shell import EmbeddedShell, File, Limits, Machine, open_shell
from safegym.shell.calculator import calculate
from safegym.shell.clock import formatted, moment
from tests.conftest import ROOT

NOW = datetime(2026, 1, 5, 9, 4, 5, 120_000, tzinfo=UTC)
MACHINE = Machine("alice", "web1", NOW, 1234)
SCRIPT = b'a=2;b=1\nif (( $(echo "$a > $b" | bc -l) )); then echo more; else echo less; fi\necho $RANDOM\ndate\n'
FILES = {
    "/app/a.txt": File(b"hello\n"),
    "/app/bin.dat": File(b"\xff\x00\x80"),
    "/app/empty/": File(mode=0o755),
    "/app/l": File(link_to="a.txt"),
    "/app/run.sh": File(SCRIPT, 0o755),
    "/data/deep/er/note": File(b"note\n", 0o600),
}
PROBES = (
    "uname -a", "cat /etc/os-release /etc/hostname /etc/hosts /etc/passwd", "env", "set", "declare -p", "id", "help",
    "help cd", "curl http://example.com", "wget http://example.com", "nano a.txt", "vi a.txt", "vim a.txt", "nosuch",
    "lss", "git status", "apt install x", "ssh host", "python3 -c 1", "bash --version", "sh --version", "cat --version",
    "ls --version", "awk --version", "sed --version", "grep --version", "find --version", "tar --version",
    "cat /proc/version /proc/cpuinfo /proc/mounts", "df; df -h; uptime; free; ps aux", "cat /bin/ls; ls /bin /usr/bin",
    "stat -f /", "sudo -l; busybox; watch ls; man ls", "time true", "touch /usr/bin/x; rm /bin/ls",
    "nosuch 2> e; cat e",
    "history; compgen -c; alias; shopt; ulimit -a; locale; mount",
    "less nope; more nope; top; jq .. nope; openssl version",
)  # fmt: skip
CLOCKS_AND_DICE = (
    "date", "date +%s.%N", "/bin/date; /usr/bin/date; bash -c date", "printf '%(%F %T)T\\n' -1",
    "./run.sh; bash run.sh",
    "echo $EPOCHSECONDS $EPOCHREALTIME", "stat a.txt; ls -la; ls -l /", "find . -printf '%t %T@ %p\\n'; find . -ls",
    "touch new; stat -c %y new; ls -lt", "echo $RANDOM $RANDOM $SRANDOM; bash -c 'echo $RANDOM'; (echo $RANDOM)",
    "seq 20 | shuf; shuf -i 1-9 -n 2; seq 9 | sort -R", "mktemp; mktemp -d; mktemp -u", "uuidgen",
    "head -c 16 /dev/urandom | od -An -tx1", "tr -dc a-z < /dev/urandom | head -c 9",
    "awk 'BEGIN{srand(); print rand(), systime()}'", "jq -n now", "uptime; date -r a.txt; date -d yesterday",
    "tar czf a.tgz a.txt run.sh; tar cf x.tar data", "gzip -k a.txt; od -An -tx1 a.txt.gz", "time sleep 1",
    "printf 'BEGIN{srand(); print rand(), systime()}' > p; awk -f p; echo a.txt | xargs awk 'END{print systime()}'",
    "cat > s <<'E'\nprintf '%(%s)T %s\\n' -1 x; echo $EPOCHREALTIME $SRANDOM $((RANDOM % 9))\nE\nbash s; . ./s",
    "bash -c \"printf -v t '%(%s)T' -1; echo \\$t\"", "jq -n '\"\\(now)\", [now|todate]'; echo 'now' > f; jq -n -f f",
    "touch -d '3 hours ago' old; ls -l old; stat -c '%Y %y' old; find . -mmin +60 -printf '%T@ %p\\n'; date -r old",
    "echo $$ $BASHPID $PPID $SECONDS; cat /proc/uptime /proc/loadavg", "ls -lt; ls --full-time; ls -l --time-style=+%s",
    "find . -newer a.txt; find . -newermt '1 hour ago'; [ run.sh -nt a.txt ]; echo $?", "pr a.txt; find . -ls",
    "zip q.zip a.txt; od -An -tx1 q.zip; tar czf a.tgz a.txt; md5sum a.tgz",
    "for i in 1 2 3; do bash -c 'echo $RANDOM'; done; shuf -e a b c d; seq 30 | sort --random-sort",
)  # fmt: skip


def run(command, files=FILES, machine=MACHINE, **limits):
    return open_shell("embedded").run(files, command, machine, Limits(**limits))


def out(command, **options):
    return run(command, **options).stdout


def changes(command):
    after = run(command).files
    return {path: after.get(path) for path in FILES.keys() | after.keys() if after.get(path) is not FILES.get(path)}


def test_an_unknown_shell_names_the_valid_ones():
    with pytest.raises(UnknownNameError, match="embedded"):
        open_shell("zsh")


def test_a_shell_says_its_version_and_travels():
    shell = open_shell("embedded")
    assert shell.name.startswith("embedded bashkit ")
    assert pickle.loads(pickle.dumps(shell)) == shell == copy.deepcopy(shell) == EmbeddedShell()


def test_only_files_outlive_a_command():
    first = run("cd /data; export LEFT=over; x=1; echo kept > /app/new")
    second = run("pwd; echo [$LEFT$x]; cat new", files=first.files)
    assert second.stdout == "/app\n[]\nkept\n"


def test_the_callers_files_are_left_alone():
    before = dict(FILES)
    run("rm -rf /app; echo x > /data/deep/er/note")
    assert before == FILES


@pytest.mark.parametrize("path", ["relative", "/usr/bin/tool", "/dev/x", "/app/a\nb"])
def test_a_file_that_cannot_be_laid_out_is_refused(path):
    with pytest.raises(WorldError, match="cannot be put"):
        run("true", files={path: File()})


names = st.text("abcXYZ019._-é ", min_size=1, max_size=8).filter(lambda name: name.strip(". ") == name)
contents = st.builds(File, st.binary(max_size=60), st.integers(0, 0o777))
links = st.builds(lambda target: File(mode=0o777, link_to=target), names)


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(names, contents | links), st.dictionaries(names, st.integers(0o100, 0o777)))
def test_files_survive_an_idle_command(top, folders):
    files = {f"/app/{name}": file for name, file in top.items()}
    files |= {f"/app/folder/{name}/": File(mode=mode) for name, mode in folders.items()}
    files |= {f"/else/where/{name}": file for name, file in top.items()}
    after = run("true", files=files).files
    assert after == files
    assert all(after[path] is file for path, file in files.items())


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("rm a.txt", {"/app/a.txt": None}),
        ("mv a.txt b.txt", {"/app/a.txt": None, "/app/b.txt": File(b"hello\n")}),
        ("chmod 640 a.txt", {"/app/a.txt": File(b"hello\n", 0o640)}),
        ("ln -s /data d", {"/app/d": File(mode=0o777, link_to="/data")}),
        ("sed -i s/hello/bye/ a.txt", {"/app/a.txt": File(b"bye\n")}),
        ("echo more >> l", {"/app/a.txt": File(b"hello\nmore\n")}),
        ("printf '\\xfe\\xff' > raw", {"/app/raw": File(b"\xfe\xff")}),
        ("cat bin.dat > copy", {"/app/copy": File(b"\xff\x00\x80")}),
        ("mkdir one", {"/app/one/": File(mode=0o755)}),
        ("rmdir empty", {"/app/empty/": None}),
        ("touch empty/x", {"/app/empty/": None, "/app/empty/x": File()}),
        ("rm -r /data/deep", {"/data/deep/er/note": None, "/data/": File(mode=0o755)}),
        ("echo t > /tmp/t", {"/tmp/t": File(b"t\n")}),
        ("echo other > /etc/hostname", {"/etc/hostname": File(b"other\n")}),
        ("sed -i s/more/MORE/ run.sh", {"/app/run.sh": File(SCRIPT.replace(b"echo more", b"echo MORE"), 0o755)}),
        ("chmod 700 run.sh", {"/app/run.sh": File(SCRIPT, 0o700)}),
        ("cp run.sh two.sh", {"/app/two.sh": File(SCRIPT, 0o755)}),
        ("nosuch 2> e", {"/app/e": File(b"bash: line 1: nosuch: command not found\n")}),
        ("rm -rf /", dict.fromkeys(FILES)),
    ],
)
def test_what_a_command_does_to_files(command, expected):
    assert changes(command) == expected


@pytest.mark.parametrize("probe", PROBES)
def test_no_probe_learns_what_the_shell_is_made_of(probe):
    result = run(probe, output=10**6)
    said = (result.stdout + result.stderr).lower()
    for word in (
        "bashkit",
        "sandbox",
        "did you mean",
        "not configured",
        "run inside",
        '"virtual"',
        "virtual bash",
        "0.20.1",
    ):
        assert word not in said
    assert said or probe.startswith(("touch", "stat"))


def test_the_agents_own_words_are_not_scrubbed():
    assert out("echo bashkit sandbox") == "bashkit sandbox\n"
    assert out("cat f", files={"/app/f": File(b"a sandbox (bashkit)\n")}) == "a sandbox (bashkit)\n"


def test_the_machine_is_who_it_says():
    assert out("whoami; hostname; cat /etc/hostname; id -un; uname -n; echo $HOME") == (
        "alice\nweb1\nweb1\nalice\nweb1\n/home/alice\n"
    )
    assert "alice:x:1000:1000:" in out("cat /etc/passwd")
    root = Machine("root", "db", NOW, 1, directory="/srv/x")
    assert out("id -u; pwd; echo ~", machine=root, files={}) == "0\n/srv/x\n/root\n"


@pytest.mark.parametrize(
    ("command", "code", "stderr"),
    [
        ("history", 0, ""),
        ("python3 -V", 127, "bash: line 1: python3: command not found\n"),
        ("nano x", 127, "bash: line 1: nano: command not found\n"),
        ("curl https://example.com/x", 6, "curl: (6) Could not resolve host: example.com\n"),
        ("curl -s example.com", 6, ""),
        ("wget example.com", 4, "wget: unable to resolve host address ‘example.com’\n"),
        ("ls nope", 2, "ls: cannot access 'nope': No such file or directory\n"),
        ("echo )", 2, "bash: -c: line 1: syntax error near unexpected token `)'\n"),
        ("date -d rubbish", 1, "date: invalid date ‘rubbish’\n"),
        ("touch /usr/bin/x", 1, "touch: cannot touch '/usr/bin/x': Permission denied\n"),
    ],
)
def test_failures_read_as_they_do_elsewhere(command, code, stderr):
    result = run(command)
    assert (result.exit_code, result.stderr, result.stdout) == (code, stderr, "")


def test_clocks_and_dice_repeat_a_second_later():
    files = {**FILES, "/app/data/x": File(b"x")}
    first = {command: run(command, files=files) for command in CLOCKS_AND_DICE}
    time.sleep(1.1)
    for command, result in first.items():
        assert run(command, files=files) == result, command
        assert result.exit_code == 0, command


def test_another_process_prints_the_same():
    program = (
        "import sys; sys.path.insert(0, 'tests'); import test_shell as t;"
        "print(repr([t.run(c) for c in (*t.PROBES, *t.CLOCKS_AND_DICE)]))"
    )
    runs = [subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT) for _ in range(2)]
    assert runs[0].stdout == runs[1].stdout != ""


def test_chance_follows_the_machine():
    commands = "echo $RANDOM; uuidgen; mktemp -u; shuf -i 1-99999 -n 1; head -c 8 /dev/urandom | od -An -tx1"
    other = Machine("alice", "web1", NOW, 99)
    assert not set(out(commands).split("\n")[:-1]) & set(out(commands, machine=other).split("\n")[:-1])


def test_shuf_keeps_every_line_once():
    assert sorted(out("seq 50 | shuf").split(), key=int) == [str(n) for n in range(1, 51)]
    assert out("seq 50 | shuf") != out("seq 50")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("date", "Mon Jan  5 09:04:05 UTC 2026"),
        ("/bin/date +%F", "2026-01-05"),
        ("/usr/bin/date -u +%T", "09:04:05"),
        ("bash -c 'date +%s'", "1767603845"),
        ("date -d yesterday +%F", "2026-01-04"),
        ("date --date='+1 day' +%F", "2026-01-06"),
        ("date -d 2026-03-01 '+%a %j'", "Sun 060"),
        ("date -d '2026-01-05 10:00 +2 hours' +%R", "12:00"),
        ("date -r a.txt +%F", "2026-01-05"),
        ("date -I", "2026-01-05"),
        ("date -Iseconds", "2026-01-05T09:04:05+00:00"),
        ("date -R", "Mon, 05 Jan 2026 09:04:05 +0000"),
        ("printf '[%(%F)T] %s\\n' -1 said", "[2026-01-05] said"),
        ("printf '%(%F)T\\n' 0", "1970-01-01"),
        ("echo $EPOCHSECONDS", "1767603845"),
        ("sleep 1000; sleep 2h; echo awake", "awake"),
        ("stat -c '%y %U %a %s' a.txt", "2026-01-05 09:04:05.120000000 +0000 alice 644 6"),
        ("find . -name a.txt -printf '%t %TY\\n'", "Mon Jan  5 09:04:05.1200000000 2026 2026"),
        ("jq -n 'now|todate'", '"2026-01-05T09:04:05Z"'),
        ("echo 'now|todate' > f; jq -n -f f", '"2026-01-05T09:04:05Z"'),
        ("awk 'BEGIN { print systime(), strftime(\"%F\") }'", "1767603845 2026-01-05"),
        ("echo a.txt | xargs awk 'END { print systime() }'", "1767603845"),
        ("cat > s <<'E'\nprintf '%(%F)T %s\\n' -1 $EPOCHSECONDS\nE\nbash s", "2026-01-05 1767603845"),
        ("printf -v t '%(%F)T' -1; echo $t", "2026-01-05"),
        ("touch -d '2 days ago' f; stat -c %y f; find . -mtime +1", "2026-01-03 09:04:05.000000000 +0000\n./f"),
        ("touch -t 202001020304 f; find . -name f -printf '%TF %TR\\n'", "2020-01-02 03:04"),
        ("touch -d 2026-01-01 f; find . -newermt 2026-01-02 -name f; echo none", "none"),
        ("find . -newer a.txt; echo new > n; find . -name n -newer a.txt; [ n -nt a.txt ] && echo newer", "./n\nnewer"),
        ("ls -l --time-style=+%s a.txt | cut -d' ' -f6", "1767603845"),
        (
            "time true 2>&1; tar cf x.tar a.txt; dd if=x.tar bs=1 skip=136 count=11 2>/dev/null; echo",
            f"{int(NOW.timestamp()):o}",
        ),
    ],
)
def test_the_clock_stands_still(command, expected):
    assert out(command) == expected + "\n"


def test_moment_and_format_refuse_what_they_do_not_know():
    assert moment("2026-02-30", NOW) is None
    assert moment("the day", NOW) is None
    assert formatted("%Q %% %-d %3N", NOW) == "%Q % 5 120"


def test_ls_long():
    assert out("ls -la") == (
        "total 24\n"
        "drwxr-xr-x  3 alice alice 4096 Jan  5 09:04 .\n"
        "drwxr-xr-x 16 root  root  4096 Jan  5 09:04 ..\n"
        "-rw-r--r--  1 alice alice    6 Jan  5 09:04 a.txt\n"
        "-rw-r--r--  1 alice alice    3 Jan  5 09:04 bin.dat\n"
        "drwxr-xr-x  2 alice alice 4096 Jan  5 09:04 empty\n"
        "lrwxrwxrwx  1 alice alice    5 Jan  5 09:04 l -> a.txt\n"
        f"-rwxr-xr-x  1 alice alice {len(SCRIPT):>4} Jan  5 09:04 run.sh\n"
    )


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("ls", "a.txt bin.dat empty l run.sh"),
        ("touch .h; ls -A", ".h a.txt bin.dat empty l run.sh"),
        ("ls -a empty", ". .."),
        ("ls -r", "run.sh l empty bin.dat a.txt"),
        ("ls -S a.txt bin.dat run.sh", "run.sh a.txt bin.dat"),
        ("touch zz; ls -t", "zz a.txt bin.dat empty l run.sh"),
        ("ls -d empty a.txt", "a.txt empty"),
        ("ls /data/deep a.txt", "a.txt /data/deep: er"),
        ("ls -R /data", "/data: deep /data/deep: er /data/deep/er: note"),
        ("ls -p -1 | head -3", "a.txt bin.dat empty/"),
        ("head -c 3000 /dev/zero > z; ls -lh z | cut -d' ' -f5", "3.0K"),
        ("ls *.txt", "a.txt"),
        ("ls -l l | cut -c1-10", "lrwxrwxrwx"),
    ],
)
def test_ls(command, expected):
    assert out(command).split() == expected.split()


@pytest.mark.parametrize(
    ("program", "printed"),
    [
        ("1/3", "0"), ("scale=2; 10/3", "3.33"), ("scale=2; -10/3", "-3.33"), ("scale=2; 2/3", ".66"),
        ("2^64", str(2**64)),
        ("1.5*1.25", "1.87"), ("-5%3", "-2"), ("-2^2", "4"), ("2^3^2", "512"), ("scale=3;2^-1", ".500"), ("3>2", "1"),
        ("3 <= 2.99", "0"), ("x=3;x*2", "6"), ("sqrt(2)", "1"), ("scale=5\nsqrt(2)", "1.41421"), ("0.5-1", "-.5"),
        ("(1+2)*3; 7", "9\n7"), ("1<2 && 2<3", "1"), ('print "a ", 1, "\\n"', "a 1"), ("1.50+1", "2.50"), ("0.00", "0"),
        ("x=2; x+=3; x", "5"), ("1 # one\n2", "1\n2"), ("100*45/60", "75"), ("5.5 % 2", "1.5"),
        ("if (2 > 3) { 1 } else { 2 }", "2"), ("if (1) if (0) 1 else 2", "2"), ("if (0) 1/0; 4", "4"),
        ("x=0; while (x<2) { x=x+1; x }", "1\n2"), ("for (i=0; i<3; i+=1) i*2", "0\n2\n4"),
        ("if (1) {\n4\n5\n}\n6", "4\n5\n6"), ("s=0; for (i=1; i<=100; i=i+1) { s=s+i }; s", "5050"),
    ],
)  # fmt: skip
def test_bc(program, printed):
    assert calculate(program).stdout == printed + "\n"


@pytest.mark.parametrize(
    ("program", "printed"),
    [("1/3", ".33333333333333333333"), ("s(1)", ".84147098480789650665"), ("c(0)", "1.00000000000000000000"),
     ("4*a(1)", "3.14159265358979323844"), ("l(2)", ".69314718055994530941"), ("e(1)", "2.71828182845904523536")],
)  # fmt: skip
def test_bc_with_its_library(program, printed):
    assert calculate(program, library=True).stdout == printed + "\n"


def test_bc_goes_on_after_an_error():
    result = calculate("1/0\n2+\n3")
    assert result.stdout == "3\n"
    assert "Divide by zero" in result.stderr
    assert "(standard_in) 2: syntax error" in result.stderr


@pytest.mark.parametrize(
    "program",
    [
        "9^9^9^9",
        "2^9999999",
        "(" * 5000,
        "-" * 9000 + "1",
        "!" * 5000 + "1",
        "2^" * 500 + "2",
        "{" * 5000,
        "if (1) " * 5000 + "1",
        "while (1) x=x+1",
        "for (;;) x=1",
    ],
)
def test_bc_refuses_to_run_for_long(program):
    assert calculate(program).stderr or calculate(program).stdout in {"-1\n", "1\n"}


def test_a_script_that_is_written_over_can_still_be_run():
    """The engine drops the permissions on `>`; what a script prints and how it ends is as elsewhere."""
    result = run("printf 'echo $1 $LEFT; exit 3' > run.sh; export LEFT=over; ./run.sh a; echo $?; cd /; app/run.sh b")
    assert (result.stdout, result.stderr, result.exit_code) == ("a over\n3\nb over\n", "", 3)
    assert result.files["/app/run.sh"].mode == 0o755
    assert run("chmod -x run.sh; echo ls > run.sh; ./run.sh").exit_code == 126
    assert run("echo ls > new.sh; ./new.sh").exit_code == 126


def test_every_process_has_draws_of_its_own():
    script = {"/app/r.sh": File(b"#!/bin/bash\necho $RANDOM $((RANDOM % 1000)) ${SRANDOM}\n", 0o755)}
    drawn = out("for i in 1 2 3 4; do ./r.sh; bash -c 'echo $RANDOM'; echo $RANDOM; (echo $RANDOM); done", files=script)
    assert len(set(drawn.split())) > 20
    assert out("cat r.sh; grep -c RANDOM r.sh", files=script).encode() == script["/app/r.sh"].content + b"1\n"
    assert run("cp r.sh s.sh", files=script).files["/app/s.sh"] == script["/app/r.sh"]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ('echo \'{"p": .5, "q": [-.25, "a .5"]}\' > j; jq -c . j; jq .p < j', '{"p":0.5,"q":[-0.25,"a .5"]}\n0.5'),
        ("seq 9 | sort -R | sort -n | tr -d '\\n'; echo", "123456789"),
        ("yes a | head -4 | sort -R - | uniq -c | tr -s ' '", " 4 a"),
        ("printf '%s %d\\n' a 1 b 2; printf '%(%Y)T%%\\n' 0", "a 1\nb 2\n1970%"),
        ("gzip a.txt; zcat a.txt.gz; cat a.txt.gz | wc -c | grep -c .", "hello\n1"),
        ("head -c 100000 /dev/zero | wc -c", "100000"),
        ("Q='a b' awk 'BEGIN { print ENVIRON[\"Q\"], systime() > 0 }'; cat 0", "a b 1767603845"),
    ],
)
def test_corrected_commands_do_what_they_do_elsewhere(command, expected):
    assert out(command) == expected + "\n"


DEVIATIONS = (
    ("cp a.txt new/; ls -d new*", "", "new\n"),
    ("printf '\\xff' | sed s/a/b/ | od -An -tx1", " ff\n", " ef bf bd\n"),
    ("echo '[1,2,3]' | jq -c 'del(.[0,2])'", "[2]\n", "[2,3]\n"),
    ("echo '[1e3,1.0]' | jq -c .", "[1000,1]\n", "[1000.0,1.0]\n"),
    ("umask 077; echo > u; stat -c %a u", "600\n", "644\n"),
    ("cat a.txt > a.txt; wc -c < a.txt", "0\n", "6\n"),
    ("timeout 1 sleep 3; echo $?", "124\n", "0\n"),
    ("tail -f a.txt & sleep 1; kill %1; echo $?", "hello\n0\n", "1\n"),
    ("echo ls > run.sh; stat -c %a run.sh", "755\n", "644\n"),
    ("chmod 0 a.txt; su nobody -c 'cat /app/a.txt' 2>&1; cat a.txt", "cat: /app/a.txt: Permission denied\nhello\n",
     "bash: line 1: su: command not found\nhello\n"),
    ("grep -c 'a > $b' run.sh; wc -c < run.sh", f"1\n{len(SCRIPT)}\n", f"0\n{len(SCRIPT) + 5}\n"),
    ("seq 150000 | wc -l", "150000\n", "100000\n"),
    ("yes | head -20000 | wc -l", "20000\n", "10000\n"),
    ("echo {1..100001} | wc -w", "100001\n", ""),
    ("head -c 20000000 /dev/zero | wc -c", "20000000\n", "8388608\n"),
    ("truncate -s 20M f; stat -c %s f", "20971520\n", ""),
    ("awk 'BEGIN { while (i < 20000) i++; print i }'", "20000\n", ""),
    ("touch /usr/bin/x /proc/x; ls /usr/bin/x", "/usr/bin/x\n", ""),
    ("python3 -c 'print(1)'; perl -e 'print 1'; git --version | cut -c1-3", "1\n1git\n", ""),
    ("echo 'define f(x) { return x }; f(2)' | bc", "2\n", ""),
    ("time sleep 1; echo $SECONDS", "1\n", "0\n"),
)  # fmt: skip
"""A command, what bash and the usual tools print, and what the embedded shell prints; docs/shell.md says why."""


@pytest.mark.parametrize(("command", "elsewhere", "here"), DEVIATIONS)
def test_deviations_from_bash_are_the_ones_that_are_listed(command, elsewhere, here):
    assert out(command) == here != elsewhere


LEAVINGS = (
    "export A=1; B=2; declare -A C=([x]=1); f() { echo f; }; alias ll='ls -l'; cd /data; set -eu; shopt -s nullglob",
    "trap 'echo bye' EXIT; umask 077; exec 3> /tmp/three; set -- a b c; IFS=,; RANDOM=7; PATH=/nowhere; readonly R=1",
    "while :; do :; done & sleep 100 & f() { f; }; f", "hash -r; ulimit -n 10; exec > /tmp/out; echo gone; exit 9",
)  # fmt: skip


@pytest.mark.parametrize("leaving", LEAVINGS)
def test_nothing_but_files_outlives_a_command(leaving):
    look = (
        "set; env; alias; declare -f; declare -p; pwd; trap; jobs; shopt; umask; echo $- $# $RANDOM $!; ls -la / /tmp"
    )
    before = run(look, output=10**6)
    run(leaving)
    assert run(look, output=10**6) == before


def test_a_forked_child_has_a_shell_of_its_own():
    program = f"""
import os, sys; sys.path.insert(0, {str(ROOT)!r})
from tests.test_shell import run
want = run("cat a.txt; echo $RANDOM").stdout
pid = os.fork()
if pid == 0:
    os._exit(0 if run("cat a.txt; echo $RANDOM").stdout == want else 1)
sys.exit(os.waitpid(pid, 0)[1])
"""
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files where the system lists them")
def test_interpreters_are_let_go():
    few = len(list(Path("/proc/self/fd").iterdir()))
    gc.disable()  # how soon the collector comes by depends on all that a process holds
    try:
        for number in range(60):
            run("date", machine=Machine("alice", f"web{number}", NOW, 1))
        assert len(list(Path("/proc/self/fd").iterdir())) < few + 60
    finally:
        gc.enable()


NASTY = (
    ":(){ :|:& };:", "f() { f & f & }; f; wait", "yes > f", "cat /dev/zero > f", "head -c 2G /dev/zero > f",
    "dd if=/dev/zero of=f bs=1M count=3000", "truncate -s 5G f", "x=a; while :; do x=$x$x; done",
    "echo 0123456789abcdef > f; for i in $(seq 40); do cat f f > g; mv g f; done", "echo {1..100000000}",
    "for i in $(seq 20000); do echo > f$i; done", "touch f{1..9000} g{1..9000}", "mkdir -p $(seq -s/ 5000)",
    "printf '%1000000000d' 1; printf '%*d' 2000000000 1; printf '%.1000000000f' 1", "seq 1000000000 | wc -l",
    "a=(); while :; do a+=(xxxxxxxx ${a[@]}); done", "i=0; while :; do export v$i=xxxx; i=$((i+1)); done",
    "awk 'BEGIN { s = \"aa\"; while (1) s = s s }'", "awk 'BEGIN { while (1) print }'",
    "awk 'function f(x) {return f(x)} BEGIN {f(1)}'",
    "jq -n '[range(1e9)]'", "jq -n 'def f: f; f'", "jq -n 'reduce range(60) as $i (\"aa\"; . + .)'",
    "jq -n 'repeat(1)'",
    "echo a | sed ':a; s/a/aa/; ta'", "echo a | sed ':a; G; h; ba'",
    "sed -E 's/(.*)*(.*)*\\1$/x/' <<< $(seq -s '' 900)",
    "grep -E '(a+)+$' <<< $(printf 'a%.0s' {1..9999})b", "grep -P '^(a|aa)+$' <<< $(printf 'a%.0s' {1..99})b",
    "[[ $(printf 'a%.0s' {1..3000})b == *a*a*a*a*a*a*a*c ]]", "grep -E 'a{1000}{1000}{1000}' a.txt", "9^9^9 | bc",
    "echo '9^9^9; while (1) 1' | bc", "echo $((9**999999)) $((1<<99)) $((1/0))",
    "cat a.txt | cat a.txt - | tee a.txt a.txt",
    "cat < /dev/tcp/127.0.0.1/80; echo x > /dev/udp/127.0.0.1/53", "cat /etc/shadow /proc/self/environ /proc/self/maps",
    "printf '\\xff\\xfe\\x80'; cat bin.dat; head -c 3000 /dev/urandom", "rm -rf / /*; ls /", "mapfile -t a < <(yes)",
    "cat <(yes) | head -3", "coproc yes; head -1 <&${COPROC[0]}", "read x < /dev/zero", "trap 'kill -9 $$' EXIT",
    "exec ls; echo",
    "find . -exec find . -exec find . -exec awk 'BEGIN { print systime() }' ';' ';' ';'",
    "kill -9 $$; kill -9 -1; kill -9 1",
    "echo 'find . -name s -exec ./s \\; -printf %t' > s; chmod +x s; ./s", "seq 900000 | sort -R | sort -n | tail -1",
    "paste a.txt a.txt > b; for i in $(seq 30); do paste b b b b > c; mv c b; done", "echo " + "a " * 20_000,
    "(" * 5_000,
    "echo " + "$(" * 900 + "echo" + ")" * 900, "if true; then " * 900 + ":;" + "fi;" * 900, "cat " + "| cat " * 5_000,
)  # fmt: skip


@pytest.mark.parametrize("command", NASTY)
def test_nasty_commands_end_and_leave_the_shell_whole(command):
    before = dict(FILES)
    result = run(command, seconds=1.0)
    assert 0 <= result.exit_code <= 255
    assert len(result.stdout) + len(result.stderr) < 10_000
    assert sum(len(file.content) for file in result.files.values()) <= 100_000_000
    assert before == FILES
    assert run("cat a.txt").stdout == "hello\n"


pieces = st.sampled_from(
    (*NASTY[:34], *CLOCKS_AND_DICE, *LEAVINGS, "cat *", "ls -laR / | tail -5", "echo $RANDOM >> log", "./run.sh",
    "cd /data",
     "echo 'echo two' > run.sh", "rm -rf /app", "mv a.txt b.txt", "ln -s . loop", "chmod 0 a.txt", "x=$(cat a.txt)",
     "exit 3",
     "read x", "sed -i s/l/L/ a.txt", "sort -R a.txt -o a.txt", "tar czf t.tgz .", "'", '"', "$(", "<<E", "\0",
     "\udcff", "é", "&")
)  # fmt: skip
wrappers = st.sampled_from(
    ("{}", "({})", "$({})", "{} | cat", "{} &", "if {}; then :; fi", "for i in 1 2 3; do {}; done", "f() {{ {}; }}; f",
     "bash -c '{}'", "cat <<E | bash\n{}\nE", "echo '{}' > s; . ./s", "eval \"{}\"",
     "while read l; do {}; done < a.txt", "! {}",
     "timeout 1 bash -c '{}'", "{} > o 2>&1", "time {}", "exec {}", "trap '{}' EXIT", "xargs -I@ bash -c '{}' < a.txt")
)  # fmt: skip
scripts = st.recursive(
    pieces,
    lambda inner: st.one_of(
        st.builds(lambda wrapper, script: wrapper.format(script), wrappers, inner),
        st.builds("{}{}{}".format, inner, st.sampled_from(("; ", "\n", " && ", " || ", " | ", " & ")), inner),
    ),
    max_leaves=6,
)


@settings(deadline=None, max_examples=40)
@given(scripts)
def test_no_script_breaks_the_shell(script):
    before = dict(FILES)
    result = run(script, seconds=0.3, commands=500)
    assert 0 <= result.exit_code <= 255
    assert before == FILES
    assert all(isinstance(file, File) for file in result.files.values())
    assert run("cat a.txt; pwd; echo [$x]").stdout == "hello\n/app\n[]\n"


def test_a_comparison_inside_arithmetic():
    assert out("./run.sh").startswith("more\n")
    assert out('f=0.9; (( $(echo "$f >= 0.95" | bc -l) )) || echo low') == "low\n"
    assert out("cat run.sh").encode() == SCRIPT
    typed = 'if (( $(echo "1.5 > 1.2" | bc -l) )); then echo gt; fi\n'
    result = run(f"cat > x.sh <<'EOF'\n{typed}EOF\nbash x.sh; cat x.sh")
    assert result.stdout == "gt\n" + typed
    assert result.files["/app/x.sh"].content == typed.encode()


@pytest.mark.parametrize("loop", ["while :; do :; done", "echo a; until false; do x=1; done", "f() { f; }; f"])
def test_a_loop_ends_by_its_limit(loop):
    result = run("echo kept > k; " + loop)
    assert result.exit_code == 137
    assert result.stderr == "Killed: too many steps\n"
    assert result.files["/app/k"].content == b"kept\n"


def test_time_ends_a_command_too():
    result = run("echo said; echo kept > k; while :; do :; done", commands=90_000, seconds=0.02)
    assert (result.exit_code, result.stdout) == (124, "said\n")
    assert result.files["/app/k"].content == b"kept\n"


def test_a_long_output_loses_its_middle():
    result = run("seq 5000; seq 10 >&2", output=100)
    assert result.truncated
    assert result.stdout.startswith("1\n2\n")
    assert result.stdout.endswith("5000\n")
    assert "[... 23793 characters left out ...]" in result.stdout
    assert not run("seq 10").truncated


@pytest.mark.parametrize(
    "typed", ["", "\0", "echo \udcff", "if", "(((((", "echo '" * 99, "$(" * 999, "\n\n", "exit 3", "rm -rf /; ls"]
)
def test_nothing_an_agent_types_raises(typed):
    assert isinstance(run(typed).exit_code, int)


def test_deep_recursion_cannot_kill_the_process():
    program = """
from datetime import UTC, datetime
from safegym.shell import *
machine = Machine("a", "b", datetime(2026, 1, 1, tzinfo=UTC), 1)
scripts = ["./r.sh", "bash ./r.sh", "sh -c ./r.sh", 'x="eval \\\\"\\\\$x\\\\""; eval "$x"', "echo 1 | xargs ./r.sh",
           ". ./r.sh",
           "find /app -name r.sh -exec ./r.sh ;", "$(./r.sh)", "(./r.sh)", "f() { ./r.sh; f; }; f"]
for script in scripts:
    files = {"/app/r.sh": File(f"#!/bin/bash\\n{script}\\n".encode(), 0o755)}
    print(open_shell("embedded").run(files, "./r.sh", machine, Limits(seconds=2)).exit_code)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 10


def test_threads_do_not_disturb_one_another():
    shell, results = open_shell("embedded"), {}
    before = threading.stack_size()

    def work(number):
        files = {"/app/n": File(str(number).encode())}
        results[number] = [shell.run(files, "cat n; echo $RANDOM", MACHINE).stdout for _ in range(20)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: [f"{number}8674\n"] * 20 for number in range(6)}
    assert threading.stack_size() == before
