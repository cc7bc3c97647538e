from tutorial_project.checks import Task, Trial

opening_hours = Task(
    "opening_hours",
    routes=["opening-hours/"],
    hints=(
        "What does a Django view have to give back?",
        "`JsonResponse` takes a dictionary and makes a response of it.",
        '`return JsonResponse({"opens": …, "closes": …})`',
    ),
    praise="Right: a view takes a request and returns a response. An `HttpResponse` holding the same JSON would do too.",
)


@opening_hours.requirement("has the status 200")
async def has_the_status_200(trial: Trial) -> None:
    (await trial.get("/opening-hours/")).expect(200)


@opening_hours.requirement('is the JSON `{"opens": 9, "closes": 18}`')
async def is_the_json(trial: Trial) -> None:
    (await trial.get("/opening-hours/")).expect(200, json={"opens": 9, "closes": 18})
