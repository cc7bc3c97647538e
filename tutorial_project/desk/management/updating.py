"""Bringing new lessons from where the tutorial was cloned, without touching an answer."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from .files import set_aside
from .former_names import KINDS, Carried, carry_over
from .git import Git, GitFailed, explained
from .notebook_file import NotANotebook, parsed, read_notebook

GITPULLER = "from nbgitpuller.pull import main; main()"
NO_CLONE = "this folder was not cloned with git: clone the tutorial, and copy your exercises into the clone."
SHARED = (
    "this folder shares git with another one, as a worktree or a submodule: run  git pull  yourself, "
    "or clone the tutorial on its own."
)
NO_ORIGIN = (
    "this clone does not know where it came from. Tell it:  git remote add origin ADDRESS-OF-THE-TUTORIAL"
)
NO_BRANCH = (
    "this clone is on no branch. Make one, which changes no file:  git switch -c mine\n"
    "Then run  make update  again."
)
OPEN = {
    "MERGE_HEAD": "merge",
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
}
"""What git was told and has not finished, by the file of git's own that says so."""


class NotUpdated(Exception):
    """Nothing is updated; the message says why and what to do."""


@dataclass
class Updated:
    """What an update did that the learner should know: files kept, moved, carried over, and broken ones."""

    kept: list[Path] = field(default_factory=list)
    moved: list[tuple[Path, Path]] = field(default_factory=list)
    carried: list[Carried] = field(default_factory=list)
    broken: list[NotANotebook] = field(default_factory=list)


def update(folder: Path) -> Updated:
    """Merge what is new at `origin`; where both sides changed a line, the learner's stays.

    Args:
        folder: the learner's clone. On a branch that `origin` does not have, its main branch is merged.

    Raises:
        NotUpdated: when that is impossible; then every file is as it was.
    """
    git = _clone(folder)
    origin = _origin(git)
    try:
        branch = _branch(git)
        git("fetch", "--quiet", "origin", f"+refs/heads/{branch}:refs/remotes/origin/{branch}")
        before = {file: file.read_bytes() for file in folder.glob("*/*.ipynb") if file.is_file()}
        with _one_history(git, branch), _out_of_the_way(git, branch) as moved:
            _merge(git, branch)
    except GitFailed as failure:
        raise NotUpdated(explained(failure.output, folder=folder, origin=origin)) from None
    kept = [file for file, content in before.items() if _put_back(file, content)]
    carried = list(carry_over(folder))
    _record(git, carried)
    return Updated(kept, moved, carried, list(broken_notebooks(folder)))


def _clone(folder: Path) -> Git:
    """Git in a folder that is a clone of its own, in which nothing stands open, and which is on a branch."""
    if shutil.which("git") is None:
        raise NotUpdated("git is not on this machine: install it.")
    try:
        git = Git(folder)
        obstacle = _obstacle(git)
    except GitFailed as failure:
        no_clone = "not a git repository" in failure.output
        said = explained(failure.output, folder=folder, origin="its origin")
        raise NotUpdated(NO_CLONE if no_clone else said) from None
    if obstacle:
        raise NotUpdated(obstacle)
    return git


def _obstacle(git: Git) -> str | None:
    """Why nothing can be merged here now."""
    # Trap: inside somebody's larger repository git would answer, and merge, for that one.
    if git("rev-parse", "--show-prefix"):
        return NO_CLONE
    if (git.folder / ".git").is_file():  # Trap: nbgitpuller looks for a lock below it
        return SHARED
    if unfinished := [verb for name, verb in OPEN.items() if git.file(name).exists()]:
        return (
            f"a {unfinished[0]} stands open here. Finish it, or go back to how your files were before it:  "
            f"git {unfinished[0]} --abort\nThen run  make update  again."
        )
    if conflicts := git.lines("diff", "--name-only", "--diff-filter=U"):
        return (
            f"two versions stand side by side in {', '.join(conflicts)}: choose one, as  git status  says.\n"
            "Then run  make update  again."
        )
    return None if git("branch", "--show-current") else NO_BRANCH


def _origin(git: Git) -> str:
    try:
        return git("remote", "get-url", "origin")
    except GitFailed:
        raise NotUpdated(NO_ORIGIN) from None


def _branch(git: Git) -> str:
    """The branch to merge: the one that is checked out when `origin` has it, else the main one of `origin`."""
    mine = git("branch", "--show-current")
    told = git("ls-remote", "--symref", "origin", "HEAD", f"refs/heads/{mine}")
    if re.search(rf"\trefs/heads/{re.escape(mine)}$", told, re.MULTILINE):
        return mine
    if main := re.search(r"^ref: refs/heads/(.+)\tHEAD$", told, re.MULTILINE):
        return main[1]
    raise NotUpdated(f"there is no branch {mine} where this was cloned from: run  git switch main")


@contextmanager
def _out_of_the_way(git: Git, branch: str) -> Iterator[list[tuple[Path, Path]]]:
    """Set aside what stands in the way of new files; put it back when the update fails."""
    moved: list[tuple[Path, Path]] = []
    try:
        for path in _in_the_way(git, branch):
            moved.append((path, set_aside(path, "update")))
        yield moved
    except BaseException:
        for path, aside in reversed(moved):
            with suppress(OSError):  # where a merge that stopped midway left a folder, it stays aside
                os.replace(aside, path)
        raise


def _in_the_way(git: Git, branch: str) -> list[Path]:
    """The learner's own files where new ones will be; files and links where folders, folders where files will be."""
    new = git.lines("diff", "--name-only", "--diff-filter=A", "HEAD", f"origin/{branch}")
    gone = git.lines("diff-files", "--name-only", "--diff-filter=D")
    names = map(PurePosixPath, [*new, *_added_on_both_sides(git, branch), *gone])
    places = dict.fromkeys(_first_obstacle(git.folder, name) for name in names)
    return [place for place in places if place is not None]


def _added_on_both_sides(git: Git, branch: str) -> set[str]:
    """The names at which the learner and the tutorial committed different new files."""
    try:
        base = git("merge-base", "HEAD", f"origin/{branch}")
    except GitFailed:
        return set()
    added = ["diff", "--name-only", "--diff-filter=A", base]
    different = git.lines("diff", "--name-only", "HEAD", f"origin/{branch}")
    return {*git.lines(*added, "HEAD")} & {*git.lines(*added, f"origin/{branch}")} & {*different}


def _first_obstacle(root: Path, name: PurePosixPath) -> Path | None:
    for folder in [root / parent for parent in reversed(name.parents[:-1])]:
        if folder.is_symlink() or folder.is_file():
            return folder
    return root / name if os.path.lexists(root / name) else None


@contextmanager
def _one_history(git: Git, branch: str) -> Iterator[None]:
    """Let a history that was rewritten at `origin` go on from the commit that this clone has of the old one.

    Otherwise git would take what the tutorial said before for the learner's, and keep it.
    """
    tip = git("rev-parse", f"origin/{branch}")
    try:
        base = git("merge-base", "--fork-point", f"origin/{branch}", "HEAD")
    except GitFailed:
        base = tip  # not a commit of this branch: it may be anything, and plain merging is best
    rewritten = not git.answers("merge-base", "--is-ancestor", base, tip)
    if rewritten:
        git("replace", "--force", "--graft", tip, *git("rev-parse", f"{tip}^@").split(), base)
    try:
        yield
    finally:
        if rewritten:
            git("replace", "--delete", tip)


def _merge(git: Git, branch: str) -> None:
    try:
        git.run(sys.executable, "-c", GITPULLER, "origin", branch, str(git.folder))
    except GitFailed:
        if git.file("MERGE_HEAD").exists():
            git.answers("merge", "--abort")
        raise


def _put_back(file: Path, before: bytes) -> bool:
    """Put the learner's file back when the merge, which works by lines, left no notebook.

    Returns:
        Whether it was a notebook before.
    """
    if not file.is_file() or (now := file.read_bytes()) == before or parsed(now) is not None:
        return False
    file.write_bytes(before)
    return parsed(before) is not None


def _record(git: Git, carried: list[Carried]) -> None:
    """Tell git that the former notebooks are gone, or the next update would bring them back."""
    names = [notebook.old.relative_to(git.folder).as_posix() for notebook in carried]
    if names and (known := git.lines("ls-files", "--", *names)):
        git.answers(
            "commit", "--quiet", "--message", "Carry answers over to lessons' new names", "--", *known
        )


def broken_notebooks(folder: Path) -> Iterator[NotANotebook]:
    """What is to be said on each file in the folders of notebooks that is no notebook any more."""
    for file in sorted(file for kind in KINDS for file in folder.glob(f"{kind}/*.ipynb")):
        try:
            if file.is_file() and ".before-" not in file.name:
                read_notebook(file)
        except NotANotebook as problem:
            yield problem
