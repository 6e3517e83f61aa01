#!/usr/bin/python3
# Made by DevPocket. Installs what plan.json says, step by step, and says how far it is in
# progress.json. Started as devpocket-install.service until it is done: after a reboot it goes on
# with the step it was in, so every step can be run twice.
import collections, fcntl, hashlib, json, os, re, signal, subprocess, sys, threading, time

HERE = os.path.dirname(os.path.abspath(__file__))
PLAN, PRELUDE = HERE + "/plan.json", HERE + "/prelude.sh"
STATE = "/var/lib/devpocket"
PROGRESS, DONE, RESERVE = STATE + "/progress.json", STATE + "/installed", STATE + "/reserve"
LOG, USER_LOG = "/var/log/devpocket-install.log", "/home/dev/installation-progress.log"
LOG_MAX, RESERVE_BYTES, DISK_LOW = 16 << 20, 256 << 10, 4 << 20
LINES, LINE_MAX, BEAT = 20, 500, 2
RETRY = float(os.environ.get("DEVPOCKET_RETRY_SECONDS", "5"))

# What a failed step printed last tells what kind of failure it was; the first that fits counts.
SIGNS = (
    ("disk-full", "No space left on device|not have enough free space|Disk quota exceeded|ENOSPC"),
    ("clock-wrong", "not yet valid|is not valid yet|certificate has expired|Release file .*expired"),
    ("source-down", r"curl: \((5|6|7|16|18|22|28|35|52|55|56|92)\)|Could not resolve|Failed to fetch"
     "|Temporary failure resolving|Connection (refused|timed out)|Unable to connect|Failed to connect"
     "|could not download|No matching distribution|HTTP error [45]|Network is unreachable|ETIMEDOUT|ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|npm (ERR!|error) 404"),
)
SAID = {
    "disk-full": "the disk is full",
    "clock-wrong": "the machine's clock seems wrong: it says %s",
    "source-down": "a download source does not answer or lacks what was asked for",
}


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def clean(line):
    line = re.sub(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|.)", "", line.rstrip())
    line = "".join(c for c in line.split("\r")[-1].replace("\t", " ") if c.isprintable())
    return line if len(line) <= LINE_MAX else line[:LINE_MAX] + "..."


def replace(path, text):
    """Readers see the old file or the new one, also after a power cut."""
    with open(path + ".new", "w") as new:
        new.write(text)
        new.flush()
        os.fsync(new.fileno())
    os.rename(path + ".new", path)
    folder = os.open(os.path.dirname(path), os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def append(path, text):
    try:
        with open(path, "a", opener=lambda p, f: os.open(p, f | os.O_NOFOLLOW, 0o644)) as log:
            if log.tell() < LOG_MAX:
                log.write(text + "\n")
    except OSError:
        pass  # a full disk is told by the step that needs it


def free():
    place = os.statvfs(STATE)
    return place.f_bavail * place.f_frsize


class Install:
    def __init__(self, plan, digest):
        self.plan, self.lines = plan, collections.deque(maxlen=50)
        self.told = {"version": 1, "plan": digest, "startedAt": now(), "boots": 0,
                     "percent": 0, "done": [], "warnings": []}
        try:
            with open(PROGRESS) as file:
                before = json.load(file)
            if before["plan"] == digest:
                self.told.update({k: before[k] or self.told[k] for k in self.told})
        except (OSError, ValueError, KeyError, TypeError):
            pass  # lost or half-written: every step is done again
        self.told["boots"] += 1
        names = [step["name"] for step in plan["steps"]]
        self.told["done"] = [d for d in self.told["done"] if d["name"] in names]
        try:
            with open(RESERVE, "wb") as reserve:
                reserve.write(b"\0" * RESERVE_BYTES)
        except OSError:
            pass

    def tell(self, state, **more):
        self.told.update(more, state=state, updatedAt=now(), lines=list(self.lines)[-LINES:])
        for last in (False, True):
            try:
                return replace(PROGRESS, json.dumps(self.told) + "\n")
            except OSError:
                # Kept for this: the end must be told also when the disk is full.
                if last or not os.path.exists(RESERVE):
                    return
                os.unlink(RESERVE)

    def say(self, text):
        append(LOG, "%s devpocket: %s" % (now(), text))
        append(USER_LOG, "%s %3d%% %s" % (now(), self.told["percent"], text))
        print(text, flush=True)

    def read(self, output):
        for raw in output:
            line = raw.decode("utf-8", "replace").rstrip("\n")
            append(LOG, line)
            if clean(line):
                self.lines.append(clean(line))

    def command(self, step):
        if "script" in step:
            source = '. "$1"; step=$2; shift 2; . "$step"'
            words = ["bash", "-euo", "pipefail", "-c", source, step["name"], PRELUDE,
                     HERE + "/steps/" + step["script"]] + step["arguments"]
        else:
            words = ["env", "--"] + step["run"]
        environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive", HOME="/root", LC_ALL="C.UTF-8")
        environment.update(self.plan["environment"])
        if step["user"] != "root":
            home = os.path.expanduser("~" + step["user"])
            environment.update(HOME=home, USER=step["user"], LOGNAME=step["user"])
            words = ["runuser", "-u", step["user"], "--"] + words
        return words, environment

    def attempt(self, step):
        """Runs a step once: None if it succeeded, or code, exit code and a sentence."""
        name, began = step["name"], time.monotonic()
        if free() < DISK_LOW:
            return "disk-full", None, "%s was not begun: the disk is full" % name
        words, environment = self.command(step)
        try:
            process = subprocess.Popen(words, env=environment, cwd="/", stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        except OSError as error:
            return "installer-broken", None, "%s cannot be started: %s" % (name, error)
        reader = threading.Thread(target=self.read, args=(process.stdout,), daemon=True)
        reader.start()
        while process.poll() is None and time.monotonic() - began < step["timeout"]:
            try:
                process.wait(min(BEAT, max(0.05, step["timeout"] - (time.monotonic() - began))))
            except subprocess.TimeoutExpired:
                self.tell("running")
        late = process.poll() is None
        if late:
            for sign in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(process.pid, sign)
                    process.wait(5)
                except (OSError, subprocess.TimeoutExpired):
                    pass
        reader.join(2)  # what it left running may hold its output open
        if late:
            return "step-timeout", None, "%s did not end within %d s" % (name, step["timeout"])
        if process.returncode == 0:
            return None
        return self.judge(name, process.returncode)

    def judge(self, name, code):
        printed = "\n".join(self.lines)
        for kind, sign in SIGNS:
            if re.search(sign, printed) or (kind == "disk-full" and free() < DISK_LOW):
                said = SAID[kind] % now() if "%s" in SAID[kind] else SAID[kind]
                return kind, code, "%s failed with exit code %d: %s" % (name, code, said)
        return "step-failed", code, "%s failed with exit code %d" % (name, code)

    def step(self, step, index):
        name, began, fault = step["name"], time.monotonic(), None
        for attempt in range(1, step["tries"] + 1):
            self.lines.clear()
            percent = max(self.told["percent"], step["percent"])
            self.tell("running", step=name, index=index, attempt=attempt, percent=percent)
            self.say(name if attempt == 1 else "%s, try %d of %d" % (name, attempt, step["tries"]))
            fault = self.attempt(step)
            if fault is None:
                self.told["done"].append({"name": name, "seconds": int(time.monotonic() - began)})
                return None
            self.say(fault[2])
            if attempt < step["tries"]:
                time.sleep(RETRY * 2 ** (attempt - 1))
        return fault

    def run(self):
        steps = self.plan["steps"]
        finished = {done["name"] for done in self.told["done"]}
        self.told.update(steps=len(steps), error=None, endedAt=None)
        for index, step in enumerate(steps, 1):
            if step["name"] in finished:
                continue
            fault = self.step(step, index)
            if fault and step["optional"]:
                self.told["warnings"] = (self.told["warnings"] + [fault[2]])[-LINES:]
            elif fault:
                code, status, message = fault
                error = {"step": step["name"], "code": code, "exit": status, "message": message}
                self.tell("failed", error=error, endedAt=now())
                return 1
        self.lines.clear()
        self.tell("done", step="done", percent=100, endedAt=now())
        self.say("done")
        open(DONE, "w").close()
        return 0


def check(plan):
    """Asks each tool for its version, as a login shell of the user finds it."""
    tools = {}
    for wanted in plan["checks"]:
        words = ["bash", "-lc", 'exec "$@"', "check"] + wanted["run"]
        try:
            ran = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, timeout=30)
            said = [clean(line) for line in ran.stdout.decode("utf-8", "replace").splitlines()]
            said = [line for line in said if line]
            version = re.search(r"\d+(\.\d+)+[0-9A-Za-z.+-]*|\d+", " ".join(said))
            tools[wanted["tool"]] = (
                {"ok": True, "version": version.group(0) if version else ""} if ran.returncode == 0
                else {"ok": False, "error": said[-1] if said else "exit code %d" % ran.returncode})
        except (OSError, subprocess.TimeoutExpired) as error:
            tools[wanted["tool"]] = {"ok": False, "error": clean(str(error))}
    print(json.dumps({"version": 1, "tools": tools}))
    return 0


def main():
    os.umask(0o022)
    with open(PLAN, "rb") as file:
        text = file.read()
    plan = json.loads(text)
    if sys.argv[1:] == ["check"]:
        return check(plan)
    os.makedirs(STATE, exist_ok=True)
    lock = os.open(STATE + "/lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        print("another installation is running", file=sys.stderr)
        return 1
    install = Install(plan, hashlib.sha256(text).hexdigest())
    try:
        return install.run()
    except Exception as error:
        message = "the installer broke: %s" % error
        fault = {"step": install.told.get("step", "start"), "code": "installer-broken", "exit": None}
        install.tell("failed", step=fault["step"], error=dict(fault, message=message), endedAt=now())
        raise


sys.exit(main())
