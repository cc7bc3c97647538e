"""What the sample agency sells, in the order of the primary keys.

No two orders of the trips agree, some destinations have nothing to sell, and some names have odd characters: who
sorts by another column, or leaves a row out, gets another answer.
"""

from typing import NamedTuple


class DestinationRow(NamedTuple):
    """One place."""

    name: str
    slug: str
    country: str
    description: str


class TripRow(NamedTuple):
    """One trip.

    Attributes:
        to: the slug of its destination.
        title: what it is called.
        departs: an ISO date.
        nights: how many of them.
        price: euros for one seat.
        seats: how many there are, sold or not.
        themes: names separated by spaces.
    """

    to: str
    title: str
    departs: str
    nights: int
    price: str
    seats: int
    themes: str


THEMES = ["hiking", "city", "beach", "winter", "culture", "wildlife", "food", "family"]

DESTINATIONS = [
    DestinationRow(
        "Lisbon",
        "lisbon",
        "Portugal",
        "Seven hills of tiles and trams above a wide river, with the ocean half an hour away.",
    ),
    DestinationRow(
        "Kyoto",
        "kyoto",
        "Japan",
        "A thousand temples, raked gardens and narrow streets of wooden houses between green hills.",
    ),
    DestinationRow(
        "Reykjavik",
        "reykjavik",
        "Iceland",
        "A small bright capital between lava fields and the sea, with hot pools in every quarter.",
    ),
    DestinationRow(
        "Marrakesh",
        "marrakesh",
        "Morocco",
        "Red walls, covered markets and quiet courtyards, with snow on the Atlas behind them.",
    ),
    DestinationRow(
        "Queenstown",
        "queenstown",
        "New Zealand",
        "A lake town under sharp mountains where every second door rents something to jump with.",
    ),
    DestinationRow(
        "Cartagena",
        "cartagena",
        "Colombia",
        "Painted balconies inside old sea walls, music until late and islands of white sand offshore.",
    ),
    DestinationRow(
        "Zanzibar",
        "zanzibar",
        "Tanzania",
        "Carved doors and spice gardens on an island where the tide goes out for a kilometre.",
    ),
    DestinationRow(
        "Bergen",
        "bergen",
        "Norway",
        "Wooden wharves under seven mountains, at the door of the longest fjords in the country.",
    ),
    DestinationRow(
        "Hanoi",
        "hanoi",
        "Vietnam",
        "Lakes, lanes and breakfast on the pavement, three hours from a bay of limestone islands.",
    ),
    DestinationRow(
        "Québec City",
        "quebec-city",
        "Canada",
        "A walled town above the Saint Lawrence that speaks French and knows what to do with snow.",
    ),
    DestinationRow(
        "Athens",
        "athens",
        "Greece",
        "Marble on every hill, late dinners in the open air and ferries to a hundred islands.",
    ),
    DestinationRow(
        "Cape Town",
        "cape-town",
        "South Africa",
        "A city around a flat mountain, between two oceans, an hour from vineyards and penguins.",
    ),
]

TRIPS = [
    TripRow("lisbon", "Trams and tiles of Alfama", "2027-03-12", 4, "520.00", 16, "city culture"),
    TripRow("lisbon", "A week of surf in Ericeira", "2027-06-05", 7, "1080.00", 14, "beach"),
    TripRow("lisbon", "Lisbon with children", "2027-04-03", 8, "640.00", 20, "city family"),
    TripRow("lisbon", "Fado, sardines and custard tarts", "2027-06-11", 3, "455.00", 8, "food culture"),
    TripRow("lisbon", "The palaces of Sintra on foot", "2027-10-02", 4, "560.00", 12, "hiking culture"),
    TripRow("kyoto", "Kumano Kodo pilgrim trail", "2027-09-25", 7, "1990.00", 12, "hiking"),
    TripRow("kyoto", "Tea masters of Uji", "2027-05-14", 6, "1780.00", 10, "food culture"),
    TripRow("kyoto", "Maples of Arashiyama", "2027-11-13", 8, "990.00", 16, "hiking culture"),
    TripRow("kyoto", "A first journey to Kyoto and Nara", "2027-10-09", 10, "2340.00", 18, "culture family"),
    TripRow("kyoto", "Temples in cherry blossom", "2027-04-01", 9, "2190.00", 14, "culture city"),
    TripRow("reykjavik", "Northern lights weekend", "2027-02-05", 3, "890.00", 20, "winter city"),
    TripRow("reykjavik", "Across the Vatnajokull glacier", "2027-03-06", 6, "1640.00", 10, "winter hiking"),
    TripRow("reykjavik", "Whales of Faxa Bay", "2027-06-19", 8, "1280.00", 12, "wildlife family"),
    TripRow("reykjavik", "Puffins of the Westman Islands", "2027-07-03", 4, "1150.00", 9, "wildlife"),
    TripRow("reykjavik", "Hot springs of Landmannalaugar", "2027-08-07", 7, "1490.00", 14, "hiking"),
    TripRow("marrakesh", "Riads and souks", "2027-03-20", 4, "480.00", 18, "city culture"),
    TripRow("marrakesh", "Cooking in the medina", "2027-04-17", 5, "610.00", 12, "food"),
    TripRow("marrakesh", "To the top of Mount Toubkal", "2027-05-08", 6, "690.00", 8, "hiking"),
    TripRow("marrakesh", "Camels and kasbahs", "2027-10-16", 7, "820.00", 20, "family culture"),
    TripRow("marrakesh", "Essaouira, wind and waves", "2027-09-04", 6, "650.00", 15, "beach"),
    TripRow("queenstown", "The Routeburn Track", "2027-02-13", 8, "2480.00", 11, "hiking"),
    TripRow("queenstown", "Milford Sound by kayak", "2027-03-13", 7, "995.00", 12, "wildlife hiking"),
    TripRow("queenstown", "Powder at Coronet Peak", "2027-07-17", 9, "2650.00", 16, "winter"),
    TripRow("queenstown", "Central Otago vineyards", "2027-01-15", 6, "2120.00", 14, "food"),
    TripRow("queenstown", "South Island for families", "2027-12-04", 14, "3190.00", 20, "family wildlife"),
    TripRow("cartagena", "Balconies of the walled city", "2027-09-03", 5, "1180.00", 16, "city culture"),
    TripRow("cartagena", "Islands of the Rosario reef", "2027-03-27", 7, "985.00", 12, "beach wildlife"),
    TripRow("cartagena", "Arepas, ceviche and coffee", "2027-05-22", 6, "1240.00", 10, "food"),
    TripRow("cartagena", "The Lost City trek", "2027-08-14", 9, "1560.00", 12, "hiking culture"),
    TripRow("cartagena", "Caribbean carnival", "2027-11-06", 5, "1320.00", 18, "city family"),
    TripRow("zanzibar", "Spice gardens and Stone Town", "2027-06-26", 6, "1420.00", 14, "culture food"),
    TripRow("zanzibar", "Dhow sailing at Nungwi", "2027-07-10", 8, "1590.00", 16, "beach"),
    TripRow("zanzibar", "Red monkeys of Jozani", "2027-08-21", 5, "1350.00", 12, "wildlife family"),
    TripRow("zanzibar", "Reefs of Mnemba", "2027-09-18", 7, "1710.00", 10, "beach wildlife"),
    TripRow("zanzibar", "Two quiet weeks at Paje", "2027-01-23", 14, "1980.00", 18, "beach"),
    TripRow("bergen", "Into the Hardangerfjord", "2027-05-29", 6, "1190.00", 12, "hiking"),
    TripRow("bergen", "Seven mountains in one day", "2027-05-27", 4, "860.00", 14, "hiking"),
    TripRow("bergen", "The coastal steamer north", "2027-02-27", 7, "1680.00", 20, "winter wildlife"),
    TripRow("bergen", "Grieg, wool and waffles", "2027-06-02", 4, "790.00", 16, "culture food"),
    TripRow("bergen", "Cross-country skis at Voss", "2027-03-04", 6, "1090.00", 15, "winter family"),
    TripRow("hanoi", "Street food by motorbike", "2027-03-18", 5, "98.00", 12, "food city"),
    TripRow("marrakesh", "Berber bread, 100 % by hand", "2027-04-22", 7, "1045.00", 16, "food culture"),
    TripRow("athens", "Olives & honey of the Mani", "2027-09-11", 8, "1260.00", 14, "food hiking"),
    TripRow("queenstown", "Kākāpō, kea and kiwi", "2027-10-23", 6, "945.00", 8, "wildlife family"),
    TripRow("zanzibar", "Captain Kidd's cove by dhow", "2027-11-20", 9, "960.00", 18, "beach"),
    TripRow("reykjavik", "Þorrablót, the winter feast", "2027-02-06", 4, "1120.00", 18, "winter food"),
    TripRow("cape-town", "Rooibos and rock art", "2027-03-25", 4, "975.00", 16, "food culture"),
    TripRow("bergen", "Trolltunga by six o'clock", "2027-08-28", 6, "1370.00", 9, "hiking"),
    TripRow("athens", "Ouzo at Zorbás, every evening", "2027-06-17", 5, "1140.00", 14, "city food"),
    TripRow("marrakesh", "Dunes below 1001 stars", "2027-01-30", 5, "795.00", 12, "winter wildlife"),
    TripRow("athens", "Morning on the Acropolis", "2027-04-24", 4, "590.00", 18, "city culture"),
    TripRow("athens", "Saronic islands by ferry", "2027-06-12", 8, "940.00", 16, "beach"),
    TripRow("athens", "Myths for young travellers", "2027-07-24", 6, "830.00", 12, "family culture"),
    TripRow("athens", "Tavernas and markets", "2027-05-15", 4, "620.00", 14, "food city"),
    TripRow("athens", "Delphi and Mount Parnassus", "2027-10-30", 5, "710.00", 15, "hiking culture"),
    TripRow("cape-town", "Table Mountain and the Cape", "2027-02-24", 7, "1870.00", 16, "hiking wildlife"),
    TripRow("cape-town", "Penguins of Boulders Beach", "2027-11-27", 6, "1750.00", 12, "wildlife family"),
    TripRow("cape-town", "Stellenbosch harvest", "2027-03-09", 6, "1820.00", 14, "food"),
    TripRow("cape-town", "Whales of Hermanus", "2027-09-15", 8, "1960.00", 12, "wildlife"),
    TripRow("cape-town", "Bo-Kaap and the waterfront", "2027-12-11", 9, "1690.00", 20, "city culture"),
]
