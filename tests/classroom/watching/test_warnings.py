import warnings

import pytest

from tutorial_project.classroom import show_warnings


async def seats():
    return 4


def test_a_forgotten_await_is_told_within_the_block(capsys):
    with show_warnings():
        seats()
    assert capsys.readouterr().out == "RuntimeWarning: coroutine 'seats' was never awaited\n"


def test_an_error_leaves_the_block_after_the_warning_is_told(capsys):
    def fail():
        forgotten = seats()
        raise ValueError(type(forgotten))

    with pytest.raises(ValueError, match="coroutine"), show_warnings():
        fail()
    assert capsys.readouterr().out == "RuntimeWarning: coroutine 'seats' was never awaited\n"


def test_a_debugger_that_looked_at_the_frames_does_not_delay_the_warning(capsys):
    def fail():
        forgotten = seats()
        raise ValueError(type(forgotten))

    names = []

    def fail_and_look():
        try:
            fail()
        except ValueError as error:
            names.extend(error.__traceback__.tb_next.tb_frame.f_locals)
            raise

    with pytest.raises(ValueError, match="coroutine"), show_warnings():
        fail_and_look()
    assert names == ["forgotten"]
    assert "never awaited" in capsys.readouterr().out


def test_a_block_without_a_warning_says_nothing(capsys):
    with show_warnings():
        pass
    assert capsys.readouterr().out == ""


def test_what_an_earlier_cell_forgot_is_not_told_in_this_one(capsys):
    class Loop:
        def __init__(self):
            self.forgotten, self.myself = seats(), self

    Loop()
    with warnings.catch_warnings(record=True) as elsewhere:
        warnings.simplefilter("always")
        with show_warnings():
            pass
    assert capsys.readouterr().out == ""
    assert [str(warning.message) for warning in elsewhere] == ["coroutine 'seats' was never awaited"]
