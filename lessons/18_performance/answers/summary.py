import math
from itertools import chain
from statistics import fmean

from tutorial_project.checks import known_answer


def rank(times, percent):
    return sorted(times)[math.ceil(percent * len(times) / 100) - 1]


def summed_up(times):
    percentiles = {f"p{percent}": rank(times, percent) for percent in (50, 95, 99)}
    return {"answers": len(times), "mean": fmean(times), **percentiles}


@known_answer("summary")
def counts_up(runs):
    times = sorted(chain.from_iterable(runs))
    if not times:
        raise ValueError("no answers")

    def within(percent):
        return next(time for n, time in enumerate(times, 1) if 100 * n >= percent * len(times))

    return {
        "answers": len(times),
        "mean": sum(times) / len(times),
        "p50": within(50),
        "p95": within(95),
        "p99": within(99),
    }


@known_answer("summary")
async def is_async_without_need(runs):
    times = [time for run in runs for time in run]
    if not times:
        raise ValueError("no answers")
    return summed_up(times)


@known_answer("summary", breaks="ranks_the_times", says="one rank too high")
def forgets_that_lists_begin_at_zero(runs):
    times = sorted(chain.from_iterable(runs))
    percentiles = {f"p{percent}": times[percent * len(times) // 100] for percent in (50, 95, 99)}
    return {"answers": len(times), "mean": fmean(times), **percentiles}


@known_answer("summary", breaks="ranks_the_times", says="expected {'answers'")
def does_not_sort(runs):
    times = list(chain.from_iterable(runs))
    percentiles = {f"p{p}": times[math.ceil(p * len(times) / 100) - 1] for p in (50, 95, 99)}
    return {"answers": len(times), "mean": fmean(times), **percentiles}


@known_answer("summary", breaks="ranks_the_times", says="answers are missing")
def throws_the_slow_ones_away(runs):
    times = sorted(chain.from_iterable(runs))
    return summed_up(times[: max(1, len(times) * 99 // 100)])


@known_answer("summary", breaks="takes_the_next_rank", says="of 50 times")
def rounds_down(runs):
    times = sorted(chain.from_iterable(runs))
    percentiles = {f"p{p}": times[max(0, p * len(times) // 100 - 1)] for p in (50, 95, 99)}
    return {"answers": len(times), "mean": fmean(times), **percentiles}


@known_answer("summary", breaks="joins_the_runs", says="percentiles cannot be averaged")
def averages_percentiles(runs):
    each = [summed_up(run) for run in runs if run]
    joined = summed_up(list(chain.from_iterable(runs)))
    return joined | {key: fmean(one[key] for one in each) for key in ("p50", "p95", "p99")}


@known_answer("summary", breaks="joins_the_runs", says="of 100 + 300 times")
def takes_the_mean_of_means(runs):
    joined = summed_up(list(chain.from_iterable(runs)))
    return joined | {"mean": fmean(fmean(run) for run in runs)}


@known_answer("summary", breaks="leaves_the_runs_alone", says="a list was changed in place")
def sorts_in_place(runs):
    runs[:] = [run for run in runs if run]
    for run in runs:
        run.sort()
    return summed_up(list(chain.from_iterable(runs)))


@known_answer("summary", breaks="refuses_nothing", says="expected ValueError")
def gives_zeros_for_nothing(runs):
    times = list(chain.from_iterable(runs))
    return summed_up(times) if times else dict.fromkeys(("answers", "mean", "p50", "p95", "p99"), 0)


@known_answer("summary", breaks="ranks_the_times", says="two answers that took the same time are two answers")
def counts_equal_times_once(runs):
    return summed_up_or_error({time for run in runs for time in run})


def summed_up_or_error(times):
    if not times:
        raise ValueError("no answers")
    return summed_up(list(times))


@known_answer("summary", breaks="ranks_the_times", says="answers are missing")
def leaves_zeros_out(runs):
    return summed_up_or_error([time for run in runs for time in run if time])


@known_answer("summary", breaks="leaves_the_runs_alone", says="a list was changed in place")
def sorts_a_single_run_in_place(runs):
    if len(runs) == 1:
        runs[0].sort()
    return summed_up_or_error([time for run in runs for time in run])


@known_answer(
    "summary", breaks="leaves_the_runs_alone", says="or other runs", because="a list was changed in place"
)
def takes_empty_runs_out(runs):
    while [] in runs:
        runs.remove([])
    return summed_up_or_error([time for run in runs for time in run])


EQUAL_MUTANTS = {
    "local as global: …": "nothing waits in this function, so that no other call comes between",
    "condition: if not times: → if False:": "`fmean` of nothing raises a `StatisticsError`, which is a ValueError",
    'statement: raise ValueError("there is no answer to tell of") → …': "`fmean` of nothing raises a ValueError as well",
}
