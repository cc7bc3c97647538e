import json
from urllib.parse import urlencode

import pytest

from tutorial_project.services import places
from tutorial_project.services.airline import NotFlownTo, cheapest_fare
from tutorial_project.trips.sample_catalogue import DESTINATIONS


def test_weather_of_a_destination_is_always_the_same(get):
    answer = 200, {"city": "Lisbon", "celsius": 24, "sky": "sunny"}
    assert get("/weather/Lisbon?wait=0") == get("/weather/Lisbon") == answer


def test_a_name_is_found_however_it_is_written():
    assert {places.weather(city)["celsius"] for city in ("Cape Town", "cape-town", "CAPE TOWN")} == {21}
    assert places.weather("Reykjavík")["celsius"] == places.weather("Reykjavik")["celsius"]


def test_a_city_that_nobody_knows_has_weather_and_flights_too(get):
    assert get("/weather/Atlantis?wait=0") == (200, {"city": "Atlantis", "celsius": 19, "sky": "rain"})
    status, answer = get("/flights/Atlantis?wait=0")
    assert (status, answer["city"], len(answer["flights"])) == (200, "Atlantis", 2)


def test_flights_have_numbers_and_prices(get):
    flights = [{"number": "TP 571", "price": 129}, {"number": "LH 1166", "price": 158}]
    assert get("/flights/Lisbon?wait=0") == (200, {"city": "Lisbon", "flights": flights})


@pytest.mark.parametrize(("currency", "rate"), [("JPY", 162.5), ("jpy", 162.5), ("XYZ", 7.78)])
def test_a_currency_has_one_rate(get, currency, rate):
    assert get(f"/rates/{currency}?wait=0") == (200, {"currency": currency, "rate": rate})


def test_the_slow_service_waits_as_long_as_it_is_told(get):
    assert get("/slow?wait=0.01") == (200, {"waited": 0.01})


@pytest.mark.parametrize("wait", ["11", "-1", "nan", "soon", ""])
def test_a_wait_out_of_bounds_is_refused_with_the_bounds(get, wait):
    error = f"wait must be a number from 0 to 10, not {wait!r}"
    assert get(f"/weather/Lisbon?wait={wait}") == (400, {"error": error})


def test_echo_returns_what_was_sent(client):
    answer = client.get("/echo?a=1", headers={"X-Agency": "yes"}).json()
    assert (answer["method"], answer["query"], answer["headers"]["X-Agency"]) == ("GET", {"a": "1"}, "yes")


def test_echo_returns_the_json_of_a_post(client):
    assert client.post("/echo", json={"trip": 7}).json()["json"] == {"trip": 7}
    assert client.post("/echo", content="{").json() == {"error": "the body must be JSON"}


def test_an_unknown_service_is_answered_with_those_there_are(get):
    status, answer = get("/wether/Lisbon")
    assert status == 404
    assert answer["error"].startswith("there is no service /wether/Lisbon; there are /weather/{city}, ")


def test_a_method_that_is_not_allowed_is_named(client):
    response = client.post("/weather/Lisbon")
    assert (response.status_code, response.json()) == (
        405,
        {"error": "POST /weather/Lisbon: Method Not Allowed"},
    )


def test_the_first_flight_is_not_the_cheapest_and_prices_as_text_have_another_order():
    prices = {city: [f["price"] for f in places.flights(city)["flights"]] for city in ("Kyoto", "Reykjavik")}
    for found in prices.values():
        assert found[0] != min(found)
        assert int(min(map(str, found))) != min(found)
    kyoto = prices["Kyoto"]
    assert min(kyoto) not in (kyoto[0], kyoto[-1])


@pytest.mark.parametrize("city", ["Queenstown", "Québec City", "quebec-city"])
def test_nobody_flies_to_some_cities(get, city):
    assert get(f"/flights/{city}?wait=0") == (200, {"city": city, "flights": []})
    with pytest.raises(NotFlownTo):
        cheapest_fare(city)


def test_somewhere_it_is_zero_degrees_and_somewhere_below():
    celsius = {places.weather(city)["celsius"] for city in places.WEATHER}
    assert 0 in celsius
    assert min(celsius) < 0


def test_every_destination_has_weather_of_its_own_in_the_table():
    assert {places.plain(place.name) for place in DESTINATIONS} == set(places.WEATHER)


def test_the_service_says_what_it_is_told(get):
    told = {"city": "Zürich", "celsius": 17}
    assert get(f"/says?{urlencode({'json': json.dumps(told), 'wait': 0})}") == (200, told)
    assert get("/says?json=[") == get("/says") == (400, {"error": "json must be JSON"})
