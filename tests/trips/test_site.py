"""The travel agency's pages answer: in process, under runserver and under uvicorn."""

import asyncio

import pytest
from asgiref.sync import iscoroutinefunction
from child_process import run, server
from django.contrib.auth.models import User
from django.db import DatabaseError, connection
from django.test import AsyncClient, RequestFactory

from tutorial_project.trips import views
from tutorial_project.trips.missing_tables import needs_tables

ADVICE = "run `python manage.py load_sample_data`"


def get(path: str, username: str = ""):
    """Return the answer to GET `path`, asked by a visitor or by a user who is logged in."""

    async def answer():
        client = AsyncClient()
        if username:
            await client.aforce_login(await User.objects.aget(username=username))
        return await client.get(path)

    return asyncio.run(answer())


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/", "Kyoto"),
        ("/destinations/kyoto/", "Tea masters of Uji"),
        ("/trips/7/", "The last seat"),
        ("/trips/4/", "Sold out"),
        ("/trips/12/", "No longer on sale"),
        ("/accounts/login/", "changepassword ada"),
    ],
)
def test_a_page_answers_a_visitor(path, text):
    answer = get(path)
    assert answer.status_code == 200
    assert text in answer.content.decode()


@pytest.mark.parametrize("path", ["/destinations/atlantis/", "/trips/6100/"])
def test_a_place_that_is_not_there_is_404(path):
    assert get(path).status_code == 404


@pytest.mark.parametrize("path", ["/", "/destinations/kyoto/", "/trips/7/", "/bookings/"])
def test_a_page_answers_somebody_who_is_logged_in(path):
    answer = get(path, username="ada")
    assert answer.status_code == 200
    assert "Log out" in answer.content.decode()


def test_bookings_are_for_users_who_are_logged_in():
    answer = get("/bookings/")
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/login/?next=/bookings/")


def test_travellers_see_their_own_bookings_only():
    shown = get("/bookings/", username="ada").context_data["bookings"]
    assert {booking.traveller_id for booking in shown} == {101}
    assert len(shown) == User.objects.get(username="ada").bookings.count()


def test_destinations_are_listed_by_name_also_those_without_trips():
    shown = [(place.name, place.on_sale) for place in get("/").context_data["destinations"]]
    assert shown == sorted(shown)
    assert {("Québec City", 0), ("Hanoi", 0), ("Cartagena", 4)} <= set(shown)


def test_a_destination_lists_only_trips_on_sale():
    assert "Across the Vatnajokull glacier" not in get("/destinations/reykjavik/").content.decode()


def test_the_api_lists_trips_on_sale_with_prices_as_text():
    trips = get("/api/trips/").json()["trips"]
    assert len(trips) == 56
    assert next(trip for trip in trips if trip["id"] == 7) == {
        "id": 7,
        "title": "Tea masters of Uji",
        "destination": "Kyoto",
        "departs": "2027-05-14",
        "nights": 6,
        "price": "1780.00",
        "seats_left": 1,
    }


def test_every_view_is_async():
    names = ["destination_list", "destination_detail", "trip_detail", "booking_list", "trip_api"]
    assert all(iscoroutinefunction(getattr(views, name)) for name in names)
    assert iscoroutinefunction(needs_tables(views.trip_api))


@pytest.mark.parametrize("path", ["/", "/destinations/kyoto/", "/trips/7/", "/accounts/login/"])
def test_a_page_has_a_language_one_h1_a_main_part_and_no_other_file(path):
    page = get(path).content.decode()
    assert '<html lang="en">' in page
    assert page.count("<h1>") == page.count("<main") == 1
    assert "width=device-width" in page
    assert "prefers-color-scheme" in page
    assert "<script" not in page
    assert "stylesheet" not in page


def test_an_error_of_a_database_with_tables_passes_through():
    def broken(request):
        raise DatabaseError("disk full")

    async def broken_async(request):
        broken(request)

    with pytest.raises(DatabaseError, match="disk full"):
        needs_tables(broken)(RequestFactory().get("/"))
    with pytest.raises(DatabaseError, match="disk full"):
        asyncio.run(needs_tables(broken_async)(RequestFactory().get("/")))


def test_runserver_serves_the_site():
    database = connection.settings_dict["NAME"]
    with server("manage.py", "runserver", "--noreload", "127.0.0.1:{port}", database=database) as client:
        assert "Kyoto" in client.get("/").text
        assert client.get("/static/admin/css/base.css").status_code == 200
        assert client.get("/admin/", follow_redirects=True).status_code == 200


def test_uvicorn_serves_advice_without_tables_and_the_site_with_them(tmp_path):
    database = tmp_path / "new.sqlite3"
    uvicorn = ["-m", "uvicorn", "tutorial_project.asgi:application", "--port", "{port}"]
    with server(*uvicorn, database=database) as client:
        for path in ["/", "/trips/7/", "/api/trips/"]:
            answer = client.get(path)
            assert answer.status_code == 503
            assert ADVICE in answer.text
        client.get("/accounts/login/")
        form = {"username": "ada", "password": "x", "csrfmiddlewaretoken": client.cookies["csrftoken"]}
        assert client.post("/accounts/login/", data=form).status_code == 503

        loaded = run("manage.py", "load_sample_data", database=database)
        assert (loaded.returncode, loaded.stderr) == (0, "")
        assert "The last seat" in client.get("/trips/7/").text
        assert client.get("/static/admin/css/base.css").status_code == 200
