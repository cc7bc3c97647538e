import pytest

from tutorial_project.services.places import quote


def test_each_supplier_has_a_price_of_its_own_always_the_same(get):
    albatros, condor = (get(f"/quotes/{name}/Lisbon?wait=0")[1] for name in ("Albatros", "Condor"))
    assert albatros["price"] != condor["price"]
    assert get("/quotes/Albatros/Lisbon") == (200, albatros)
    assert (albatros["supplier"], albatros["city"]) == ("Albatros", "Lisbon")


def test_each_booking_books_a_seat(client, get):
    assert [client.post("/bookings?wait=0").status_code for _ in range(3)] == [201, 201, 201]
    assert get("/bookings") == (200, {"seats": 3})


def test_a_key_books_one_seat_however_often_it_is_sent(client, get):
    for key in ("a", "a", "b"):
        client.post("/bookings?wait=0", headers={"Idempotency-Key": key})
    assert get("/bookings")[1] == {"seats": 2}


def test_nothing_is_booked_after_forget(services, client, get):
    client.post("/bookings?wait=0")
    services.forget()
    assert get("/bookings")[1] == {"seats": 0}


@pytest.mark.parametrize("city", ["Lisbon", "Kyoto"])
def test_prices_of_suppliers_have_another_order_as_text_and_as_names(city):
    suppliers = ["Albatros", "Borealis", "Condor", "Dunlin", "Eider", "Falcon", "Gannet"]
    prices = {name: quote(name, city)["price"] for name in suppliers}
    by_price = sorted(suppliers, key=prices.get)
    assert by_price not in (suppliers, suppliers[::-1], sorted(suppliers, key=lambda name: str(prices[name])))
    assert {len(str(price)) for price in prices.values()} >= {2, 3}
