"""What the services know: weather and flights by city, exchange rates by currency."""

import unicodedata
from typing import Any

WEATHER = {
    "lisbon": (24, "sunny"),
    "kyoto": (19, "cloudy"),
    "reykjavik": (4, "snow"),
    "marrakesh": (31, "sunny"),
    "queenstown": (11, "windy"),
    "cartagena": (30, "sunny"),
    "zanzibar": (28, "rain"),
    "bergen": (0, "rain"),
    "hanoi": (27, "cloudy"),
    "quebec city": (-3, "snow"),
    "athens": (26, "sunny"),
    "cape town": (21, "windy"),
}
"""Degrees Celsius and sky, for the agency's destinations."""

FLIGHTS = {
    "lisbon": [("TP 571", 129), ("LH 1166", 158)],
    "kyoto": [("JL 408", 1035), ("NH 204", 890), ("OZ 116", 912)],
    "reykjavik": [("LH 856", 1075), ("FI 521", 240)],
    "marrakesh": [("AT 811", 165), ("FR 4520", 98)],
    "queenstown": [],
    "quebec city": [],
}
"""Number and price in euros, the cheapest at any place; other cities get theirs from their name."""

RATES = {"EUR": 1.0, "USD": 1.08, "GBP": 0.85, "JPY": 162.5, "ISK": 149.2, "MAD": 10.8, "NZD": 1.78}
"""How much of the currency one euro buys."""

SKIES = ["sunny", "cloudy", "rain", "windy", "snow"]


def weather(city: str) -> dict[str, Any]:
    """Today's weather in a city, the same at every call; a city nobody knows has weather too."""
    number = number_of(city)
    celsius, sky = WEATHER.get(plain(city), (number % 35 - 3, SKIES[number % len(SKIES)]))
    return {"city": city, "celsius": celsius, "sky": sky}


def flights(city: str) -> dict[str, Any]:
    """The flights to a city, the same at every call, prices in euros."""
    number = number_of(city)
    made_up = [
        (f"AV {100 + number % 900}", 90 + number % 700),
        (f"DJ {100 + number % 800}", 110 + number % 600),
    ]
    found = FLIGHTS.get(plain(city), made_up)
    return {"city": city, "flights": [{"number": flight, "price": price} for flight, price in found]}


def rate(currency: str) -> dict[str, Any]:
    """How much of a currency, such as "JPY", one euro buys."""
    made_up = (number_of(currency) % 5000 + 50) / 100
    return {"currency": currency, "rate": RATES.get(currency.upper(), made_up)}


def quote(supplier: str, city: str) -> dict[str, Any]:
    """What a supplier asks for a trip to a city, the same at every call, in euros.

    Prices have two to four digits, so that their order as text is another one.
    """
    number = number_of(f"{supplier} {city}")
    price = 200 + number % 97 * 5
    if number % 3 == 0:
        price //= 8
    elif number % 7 == 0:
        price += 1000
    return {"supplier": supplier, "city": city, "price": price}


def plain(name: str) -> str:
    """The name in the form of the tables: "Cape Town", "cape-town" and "CAPE TOWN" are one."""
    letters = unicodedata.normalize("NFKD", name.casefold().replace("-", " "))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def number_of(name: str) -> int:
    """A number made from the letters of a name."""
    # Not hash(): for text, that one differs from process to process.
    return sum(place * ord(letter) for place, letter in enumerate(plain(name), start=1))
