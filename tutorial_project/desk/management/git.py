"""Running git for a learner: whatever their configuration says, and in its own words when it fails."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

SETTINGS = {
    "branch.{branch}.mergeOptions": "",
    "branch.{branch}.remote": "origin",
    "color.ui": "false",
    "commit.gpgSign": "false",
    "core.attributesFile": "/dev/null",  # a merge driver or filter that the learner installed for all notebooks
    "core.hooksPath": "/dev/null",
    "core.quotePath": "false",
    "core.safecrlf": "false",
    "diff.renames": "false",
    "fetch.all": "false",
    "merge.directoryRenames": "false",
    "merge.ff": "true",
    "merge.renames": "false",  # former_names.py follows those that a lesson tells of, and no guesses
    "merge.verifySignatures": "false",
    "pull.twohead": "recursive",  # Trap: before git 2.50 its successor cannot leave renames alone
    "pull.ff": "true",
    "pull.rebase": "false",
    "user.email": "update@localhost",
    "user.name": "make update",
}
"""What git does for an update, in place of what the learner's configuration says."""

ELSEWHERE = {
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_COMMON_DIR",
    "LANGUAGE",
}
"""Variables by which a git would work on another repository, or speak another language."""

TELLING = re.compile(r"(?:fatal|error|CONFLICT|ssh|\w*(?:Error|Exception))\b.*")
"""The lines in which git, or nbgitpuller, says what went wrong."""

NETWORK = (
    r"could not resolve host|failed to connect|couldn't connect|connection (?:timed out|refused|reset)|timed out|"
    r"network is unreachable|no route to host|temporary failure in name resolution|remote end hung up|early EOF"
)
REMEDIES = {
    NETWORK: "Connect to the internet, then run  make update  again.",
    r"\.lock\b": "Another git is at work here, or was stopped midway. Close what uses git, such as an editor; "
    "if there is nothing, delete the file. Then run  make update  again.",
    r"dubious ownership": "This folder belongs to somebody else. If that is right, run  git config --global "
    "--add safe.directory '{folder}'  and then  make update  again.",
    r"permission denied|read-only file system|insufficient permission|operation not permitted": "Make "
    "{folder} and all in it writable for you, then run  make update  again.",
    r"no space left|disk quota": "Make room on the disk, then run  make update  again.",
    r"unrelated histories": "The tutorial began anew where this was cloned from. Clone it again beside this "
    "folder, and copy your  exercises/  and  progress/  into the new clone.",
    r"not appear to be a git repository|repository .*not (?:found|exist)|error: 40[134]|authentication failed|"
    r"could not read (?:username|password)|correct access rights|could not read from remote": "This clone asks "
    "{origin}. If the tutorial has moved, run  git remote set-url origin NEW-ADDRESS  and then  make update  again.",
    r"bad config|bad numeric config|bad boolean config": "Mend that line of git's configuration, "
    "then run  make update  again.",
}  # fmt: skip
"""What to do, by a pattern of what git says; the first that fits."""

OTHERWISE = (
    "git status  says how things stand. If nothing helps, clone the tutorial again beside this folder, "
    "and copy your  exercises/  and  progress/  into the new clone."
)


class GitFailed(Exception):
    """A git command failed; `output` is all that it said."""

    def __init__(self, output: str) -> None:
        super().__init__(output)
        self.output = output


class Git:
    """Git in the learner's clone.

    Args:
        folder: the root of the clone.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = environment(os.environ, "HEAD")
        self.environment = environment(os.environ, self("branch", "--show-current"))

    def __call__(self, *arguments: str) -> str:
        """Run a command and return what it prints.

        Raises:
            GitFailed: when it exits with anything but 0.
        """
        return self.run("git", *arguments)

    def lines(self, *arguments: str) -> list[str]:
        """Run a command with `-z` and return the names that it prints."""
        command, *others = arguments
        return [name for name in self(command, "-z", *others).split("\0") if name]

    def run(self, *command: str) -> str:
        """Run any program the way git is run here."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
        )
        if done.returncode:
            raise GitFailed(done.stdout + done.stderr)
        return done.stdout.rstrip("\n")

    def answers(self, *arguments: str) -> bool:
        """Whether a command exits with 0."""
        try:
            self(*arguments)
        except GitFailed:
            return False
        return True

    def file(self, name: str) -> Path:
        """A file of git's own, such as MERGE_HEAD, wherever this clone keeps it."""
        return self.folder / self("rev-parse", "--git-path", name)


def environment(variables: Mapping[str, str], branch: str) -> dict[str, str]:
    """The variables for a git that obeys SETTINGS, speaks English and never opens an editor.

    Args:
        variables: of the learner's shell.
        branch: the branch that is checked out.
    """
    kept = {name: value for name, value in variables.items() if name not in ELSEWHERE}
    count = int(kept.get("GIT_CONFIG_COUNT") or 0)
    for number, (name, value) in enumerate(SETTINGS.items(), start=count):
        kept[f"GIT_CONFIG_KEY_{number}"] = name.format(branch=branch)
        kept[f"GIT_CONFIG_VALUE_{number}"] = value
    kept["GIT_CONFIG_COUNT"] = str(count + len(SETTINGS))
    return kept | {"LC_ALL": "C", "PYTHONUTF8": "1", "GIT_EDITOR": "true", "GIT_MERGE_AUTOEDIT": "no"}


def explained(output: str, **places: object) -> str:
    """The last lines in which git says what went wrong, two at most, and what to do.

    Args:
        output: all that git said.
        places: what the remedies name: `folder` and `origin`.
    """
    said = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in said if TELLING.match(line)] or said or ["nothing"]
    remedy = next((text for words, text in REMEDIES.items() if re.search(words, output, re.I)), OTHERWISE)
    return "\n".join(["git says:", *(f"  {line}" for line in telling[-2:]), remedy.format(**places)])
