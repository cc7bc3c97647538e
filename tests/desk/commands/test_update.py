"""python manage.py update, with a tutorial's repository and a learner's clone of it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tutorial_project.desk.management import updating
from tutorial_project.desk.management.commands import update as update_command

from .conftest import ANSWER, STUBS, answer, commit, git, sources, write_built, write_lesson

SECOND = STUBS[2].replace("second()", "second(request)")


def publish(tutorial: Path) -> None:
    """Put a new lesson and a correction of task two into the tutorial."""
    write_lesson(tutorial, "02_second")
    write_built(tutorial / "exercises" / "01_first.ipynb", *STUBS[:2], SECOND, STUBS[3])
    commit(tutorial, "Lesson 02, and a correction")


def assert_updated(clone: Path) -> None:
    """The new lesson and the correction are here, and the learner's answer is."""
    assert sources(clone, "02_second") == STUBS
    assert sources(clone) == [ANSWER, STUBS[1], SECOND, STUBS[3]]


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder but git's own."""
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and ".git" not in file.relative_to(folder).parts
    }


def test_new_lessons_and_corrections_come_and_the_answer_stays(tutorial: Path, clone: Path, capsys) -> None:
    publish(tutorial)
    progress = (clone / "progress" / "01_first.json").read_bytes()
    call_command("update")
    assert_updated(clone)
    assert (clone / "progress" / "01_first.json").read_bytes() == progress
    assert capsys.readouterr().out.splitlines() == [
        "Looking for new lessons …",
        "You have the newest lessons, and your answers.",
    ]


def test_where_both_changed_the_cell_the_learners_stays(tutorial: Path, clone: Path) -> None:
    write_built(tutorial / "exercises" / "01_first.ipynb", STUBS[0].replace("code", "view"), *STUBS[1:])
    commit(tutorial, "Correct task one")
    call_command("update")
    assert sources(clone) == [ANSWER, *STUBS[1:]]


def test_a_second_update_still_keeps_the_answer(tutorial: Path, clone: Path) -> None:
    for number in (2, 3):
        write_lesson(tutorial, f"0{number}_next")
        commit(tutorial, f"Lesson 0{number}")
        call_command("update")
    assert sources(clone, "03_next") == STUBS
    assert sources(clone)[0] == ANSWER


def test_a_notebook_that_a_merge_would_break_is_kept_as_it_was(clone: Path, monkeypatch, capsys) -> None:
    file = clone / "exercises" / "01_first.ipynb"
    monkeypatch.setattr(updating, "_merge", lambda *_: file.write_text('{"cells": ['))
    call_command("update")
    assert sources(clone)[0] == ANSWER
    assert "01_first.ipynb could not be merged: yours is kept as it was" in capsys.readouterr().out


SIGNING = {"commit.gpgSign": "true", "gpg.program": "false", "merge.verifySignatures": "true"}
PULLING = {
    "branch.main.mergeOptions": "--no-commit --squash",
    "branch.main.remote": "elsewhere",
    "merge.ff": "only",
    "pull.ff": "only",
    "pull.rebase": "true",
    "remote.elsewhere.url": "nowhere",
}
TASTE = {
    "color.ui": "always",
    "core.autocrlf": "true",
    "core.editor": "false",
    "core.safecrlf": "true",
    "diff.renames": "copies",
    "merge.conflictStyle": "diff3",
    "user.useConfigOnly": "true",
}


@pytest.mark.parametrize("place", ["--local", "--global"])
@pytest.mark.parametrize("settings", [SIGNING, PULLING, TASTE], ids=["signing", "pulling", "taste"])
def test_an_update_does_not_depend_on_the_learners_settings(
    tutorial: Path, clone: Path, monkeypatch: pytest.MonkeyPatch, place: str, settings: dict[str, str]
) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(clone.parent / "gitconfig"))
    for name, value in settings.items():
        git(clone, "config", place, name, value)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    publish(tutorial)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(clone.parent / "gitconfig"))
    call_command("update")
    assert_updated(clone)


def test_an_update_does_not_depend_on_what_the_learner_installed_for_notebooks(
    tutorial: Path, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (clone.parent / "attributes").write_text("*.ipynb filter=strip merge=notebooks\n")
    settings = {
        "core.attributesFile": str(clone.parent / "attributes"),
        "filter.strip.clean": "false",
        "filter.strip.required": "true",
        "merge.notebooks.driver": "false",
    }
    for name, value in settings.items():
        git(clone, "config", name, value)
    publish(tutorial)
    call_command("update")
    assert_updated(clone)


def test_an_update_runs_no_hook_of_the_learners(tutorial: Path, clone: Path) -> None:
    for name in ("pre-commit", "commit-msg", "pre-merge-commit", "post-merge", "reference-transaction"):
        hook = clone / ".git" / "hooks" / name
        hook.write_text("#!/bin/sh\nexit 1\n")
        hook.chmod(0o755)
    publish(tutorial)
    call_command("update")
    assert_updated(clone)


def test_an_update_is_of_this_clone_whatever_the_shell_says(
    tutorial: Path, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tutorial)
    for variable in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.setenv(variable, str(tutorial / ".git"))
    call_command("update")
    assert_updated(clone)


@pytest.mark.parametrize("how", ["--amend", "--orphan"])
@pytest.mark.parametrize("depth", ["whole", "shallow"])
def test_a_history_that_was_rewritten_is_followed(
    tutorial: Path, clone: Path, how: str, depth: str, capsys
) -> None:
    if depth == "shallow":
        clone.rename(clone.with_name("whole"))
        git(clone.parent, "clone", "--quiet", "--depth=1", tutorial.as_uri(), "clone")
        answer(clone / "exercises" / "01_first.ipynb")
    if how == "--orphan":
        git(tutorial, "switch", "--quiet", "--orphan", "anew")
        write_lesson(tutorial, "01_first")
    write_lesson(tutorial, "02_second")
    write_built(tutorial / "exercises" / "01_first.ipynb", *STUBS[:2], SECOND, STUBS[3])
    git(tutorial, "add", "--all")
    git(tutorial, "commit", "--quiet", "--message=Anew", *([how] if how == "--amend" else []))
    git(tutorial, "branch", "--quiet", "--force", "--move", "main")
    call_command("update")
    assert_updated(clone)
    assert git(clone, "replace", "--list") == ""
    write_lesson(tutorial, "03_third")
    commit(tutorial, "Lesson 03")
    call_command("update")
    assert sources(clone, "03_third") == STUBS


@pytest.mark.parametrize("committed", [False, True])
def test_an_exercise_that_was_deleted_here_and_renamed_there_is_no_obstacle(
    tutorial: Path, clone: Path, committed: bool
) -> None:
    (clone / "exercises" / "01_first.ipynb").unlink()
    if committed:
        commit(clone, "Tidy up")
    git(tutorial, "mv", "exercises/01_first.ipynb", "exercises/02_first.ipynb")
    commit(tutorial, "Renumber")
    call_command("update")
    assert sources(clone, "02_first") == STUBS


def test_an_exercise_that_was_renamed_on_both_sides_is_here_under_both_names(
    tutorial: Path, clone: Path
) -> None:
    git(clone, "mv", "exercises/01_first.ipynb", "exercises/my_first.ipynb")
    commit(clone, "Mine")
    git(tutorial, "mv", "exercises/01_first.ipynb", "exercises/02_first.ipynb")
    commit(tutorial, "Renumber")
    call_command("update")
    assert sources(clone, "02_first") == STUBS
    assert sources(clone, "my_first")[0] == ANSWER


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("renamed", [False, True])
def test_a_file_of_the_learners_at_the_name_of_a_new_one_is_kept_and_named(
    tutorial: Path, clone: Path, renamed: bool, committed: bool, capsys
) -> None:
    mine = clone / "exercises" / "02_second.ipynb"
    mine.write_text("mine")
    if committed:
        commit(clone, "Mine")
    if renamed:
        git(tutorial, "mv", "exercises/01_first.ipynb", "exercises/02_second.ipynb")
        commit(tutorial, "Renumber")
    else:
        publish(tutorial)
    call_command("update")
    assert sources(clone, "02_second") == STUBS
    assert mine.with_name("02_second.before-update-1.ipynb").read_text() == "mine"
    assert "02_second.ipynb stood where something new belongs: yours is now " in capsys.readouterr().out


def test_a_folder_at_the_name_of_a_new_file_is_kept_and_named(tutorial: Path, clone: Path, capsys) -> None:
    mine = clone / "exercises" / "02_second.ipynb"
    mine.mkdir()
    (mine / "notes.txt").write_text("mine")
    publish(tutorial)
    call_command("update")
    assert_updated(clone)
    assert (clone / "exercises" / "02_second.before-update-1.ipynb" / "notes.txt").read_text() == "mine"
    assert "02_second.before-update-1.ipynb" in capsys.readouterr().out


def test_a_folder_in_place_of_a_file_is_kept_and_the_file_is_back(tutorial: Path, clone: Path) -> None:
    file = clone / "lessons" / "01_first" / "lesson.md"
    file.unlink()
    file.mkdir()
    (file / "notes.txt").write_text("mine")
    publish(tutorial)
    call_command("update")
    assert_updated(clone)
    assert (file.parent / "lesson.before-update-1.md" / "notes.txt").read_text() == "mine"
    assert file.is_file()


def test_a_file_at_the_name_of_a_new_folder_is_kept_and_named(tutorial: Path, clone: Path, capsys) -> None:
    (clone / "lessons" / "02_second").write_text("mine")
    publish(tutorial)
    call_command("update")
    assert_updated(clone)
    assert (clone / "lessons" / "02_second.before-update-1").read_text() == "mine"
    assert "02_second.before-update-1" in capsys.readouterr().out


def test_a_link_in_place_of_a_folder_is_kept_and_named(tutorial: Path, clone: Path, capsys) -> None:
    elsewhere = clone.parent / "elsewhere"
    (clone / "exercises").rename(elsewhere)
    (clone / "exercises").symlink_to(elsewhere)
    publish(tutorial)
    call_command("update")
    assert sources(clone, "02_second") == STUBS
    assert ANSWER.splitlines()[1].strip() in (elsewhere / "01_first.ipynb").read_text()
    assert "exercises stood where something new belongs" in capsys.readouterr().out


def test_a_branch_of_ones_own_gets_what_is_new_on_the_tutorials(tutorial: Path, clone: Path) -> None:
    git(clone, "switch", "--quiet", "--create", "mine")
    publish(tutorial)
    call_command("update")
    assert_updated(clone)
    assert git(clone, "branch", "--show-current") == "mine\n"


def test_a_clone_that_is_on_no_branch_is_told_how_to_go_on(tutorial: Path, clone: Path) -> None:
    git(clone, "switch", "--quiet", "--detach")
    publish(tutorial)
    with pytest.raises(CommandError, match=r"on no branch.*git switch -c mine"):
        call_command("update")
    git(clone, "switch", "-c", "mine")
    call_command("update")
    assert_updated(clone)


def conflict(tutorial: Path, clone: Path) -> None:
    """Commit another line at the same place on both sides, and fetch."""
    for folder in (tutorial, clone):
        (folder / ".gitignore").write_text(f"{folder.name}\n")
        commit(folder, "Ignore")
    git(clone, "fetch", "--quiet")


@pytest.mark.parametrize(
    "command",
    [["merge"], ["rebase"], ["cherry-pick"], ["revert", "--no-commit"]],
    ids=lambda command: command[0],
)
def test_what_stands_open_is_left_for_the_learner_to_finish(
    tutorial: Path, clone: Path, command: list[str]
) -> None:
    conflict(tutorial, clone)
    with pytest.raises(subprocess.CalledProcessError):
        git(clone, *command, "origin/main")
    publish(tutorial)
    before = contents(clone)
    with pytest.raises(CommandError, match=f"a {command[0]} stands open here.*git {command[0]} --abort"):
        call_command("update")
    assert contents(clone) == before
    git(clone, command[0], "--abort")
    call_command("update")
    assert_updated(clone)


def test_two_versions_side_by_side_are_left_for_the_learner_to_choose(tutorial: Path, clone: Path) -> None:
    (clone / ".gitignore").write_text("one\n")
    git(clone, "stash")
    (clone / ".gitignore").write_text("two\n")
    commit(clone, "Ignore")
    with pytest.raises(subprocess.CalledProcessError):
        git(clone, "stash", "pop")
    before = contents(clone)
    with pytest.raises(CommandError, match=r"side by side in \.gitignore"):
        call_command("update")
    assert contents(clone) == before


def test_a_lock_of_another_git_is_named_and_nothing_is_changed(tutorial: Path, clone: Path) -> None:
    (clone / ".git" / "index.lock").touch()
    (clone / "exercises" / "02_second.ipynb").write_text("mine")
    publish(tutorial)
    before = contents(clone)
    with pytest.raises(CommandError, match=r"(?s)index\.lock.*Another git is at work.*delete the file"):
        call_command("update")
    assert contents(clone) == before
    (clone / ".git" / "index.lock").unlink()
    call_command("update")
    assert_updated(clone)


def test_a_lock_that_was_left_long_ago_is_no_obstacle(tutorial: Path, clone: Path) -> None:
    lock = clone / ".git" / "index.lock"
    lock.touch()
    os.utime(lock, (0, 0))
    publish(tutorial)
    call_command("update")
    assert_updated(clone)


def test_the_network_is_blamed_when_git_blames_it(clone: Path) -> None:
    git(clone, "remote", "set-url", "origin", "http://127.0.0.1:1/tutorial.git")
    with pytest.raises(
        CommandError, match=r"(?s)fatal: unable to access .*127\.0\.0\.1.*Connect to the internet"
    ):
        call_command("update")
    assert sources(clone)[0] == ANSWER


@pytest.mark.parametrize(
    ("bad_luck", "words"),
    [
        (
            ["remote", "set-url", "origin", "../moved"],
            r"'../moved' does not appear.*git remote set-url origin",
        ),
        (["remote", "remove", "origin"], r"does not know where it came from.*git remote add origin"),
        (["config", "core.bigFileThreshold", "nonsense"], r"bad numeric config value.*Mend that line"),
    ],
    ids=["moved", "no origin", "configuration"],
)
def test_anything_else_is_said_in_gits_words_with_a_remedy(
    tutorial: Path, clone: Path, bad_luck: list[str], words: str
) -> None:
    git(clone, *bad_luck)
    before = contents(clone)
    with pytest.raises(CommandError, match=f"(?s){words}") as said:
        call_command("update")
    assert "internet" not in str(said.value)
    assert contents(clone) == before


def test_what_was_set_aside_is_back_when_the_update_fails(
    tutorial: Path, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (clone / "exercises" / "02_second.ipynb").write_text("mine")
    publish(tutorial)
    monkeypatch.setattr(updating, "GITPULLER", "raise SystemExit('fatal: out of luck')")
    before = contents(clone)
    with pytest.raises(CommandError, match=r"git says:\n  fatal: out of luck"):
        call_command("update")
    assert contents(clone) == before


def test_a_machine_without_git_is_told_so(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(clone))
    with pytest.raises(CommandError, match="git is not on this machine"):
        call_command("update")


def test_a_folder_without_git_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(update_command, "ROOT", tmp_path)
    with pytest.raises(CommandError, match="not cloned with git: clone the tutorial"):
        call_command("update")


def test_a_worktree_is_told_what_to_do(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(clone, "worktree", "add", "--quiet", "../beside")
    monkeypatch.setattr(update_command, "ROOT", clone.with_name("beside"))
    with pytest.raises(CommandError, match="worktree or a submodule: run  git pull"):
        call_command("update")


def test_a_copy_inside_another_repository_leaves_that_one_alone(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(update_command, "ROOT", clone / "exercises")
    with pytest.raises(CommandError, match="not cloned with git"):
        call_command("update")


def test_an_exercise_that_was_saved_half_is_named_with_what_to_do(
    tutorial: Path, clone: Path, capsys
) -> None:
    file = clone / "exercises" / "01_first.ipynb"
    half = file.read_text()[:200]
    file.write_text(half)
    publish(tutorial)
    call_command("update")
    printed = capsys.readouterr().out
    assert "exercises/01_first.ipynb is not a notebook any more" in printed
    assert "python manage.py reset 01  (keeps this file too)" in printed
    assert "and your answers" not in printed
    assert file.read_text() == half
