from uuid import uuid4

from tutorial_project.checks import Task, Trial
from tutorial_project.trips.models import Trip

trip_title = Task(
    "trip_title",
    routes=["trip-titles/<int:pk>/"],
    hints=(
        "A question.",
        "A direction.",
        "Nearly the code: `await aget_object_or_404(Trip, pk=pk)`",
    ),
    praise="Right: what was right about it. What else would have been.",
)


@trip_title.requirement('answers `GET /trip-titles/7/` with 200 and `{"title": …}`')
async def answers_with_the_title(trial: Trial) -> None:
    for pk in (7, 8):
        # Made up at this moment: nobody can know it, and an answer that was kept is found out.
        title = f"Walking {uuid4().hex}"
        await Trip.objects.filter(pk=pk).aupdate(title=title)
        (await trial.get(f"/trip-titles/{pk}/")).expect(200, json={"title": title})


@trip_title.requirement("answers 404 for a trip that does not exist")
async def answers_404(trial: Trial) -> None:
    (await trial.get("/trip-titles/7000/")).expect(404)
