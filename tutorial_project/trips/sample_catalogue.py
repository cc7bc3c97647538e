"""What the sample agency sells: twelve places, five trips to each, in the order of their primary keys."""

from typing import NamedTuple


class TripRow(NamedTuple):
    """One trip: `departs` is an ISO date, `price` euros for one seat, `themes` names separated by spaces."""

    title: str
    departs: str
    nights: int
    price: str
    seats: int
    themes: str


class DestinationRow(NamedTuple):
    """One place and its trips."""

    name: str
    slug: str
    country: str
    description: str
    trips: list[TripRow]


THEMES = ["beach", "city", "culture", "family", "food", "hiking", "wildlife", "winter"]

CATALOGUE = [
    DestinationRow(
        "Lisbon",
        "lisbon",
        "Portugal",
        "Seven hills of tiles and trams above a wide river, with the ocean half an hour away.",
        [
            TripRow("Trams and tiles of Alfama", "2027-03-12", 4, "520.00", 16, "city culture"),
            TripRow("A week of surf in Ericeira", "2027-06-05", 7, "780.00", 14, "beach"),
            TripRow("Lisbon with children", "2027-04-03", 5, "640.00", 20, "city family"),
            TripRow("Fado, sardines and custard tarts", "2027-06-11", 3, "455.00", 8, "food culture"),
            TripRow("The palaces of Sintra on foot", "2027-10-02", 4, "560.00", 12, "hiking culture"),
        ],
    ),
    DestinationRow(
        "Kyoto",
        "kyoto",
        "Japan",
        "A thousand temples, raked gardens and narrow streets of wooden houses between green hills.",
        [
            TripRow("Temples in cherry blossom", "2027-04-01", 9, "2190.00", 14, "culture city"),
            TripRow("Tea masters of Uji", "2027-05-14", 6, "1780.00", 10, "food culture"),
            TripRow("Maples of Arashiyama", "2027-11-13", 8, "2050.00", 16, "hiking culture"),
            TripRow("A first journey to Kyoto and Nara", "2027-10-09", 10, "2340.00", 18, "culture family"),
            TripRow("Kumano Kodo pilgrim trail", "2027-09-25", 8, "1990.00", 12, "hiking"),
        ],
    ),
    DestinationRow(
        "Reykjavik",
        "reykjavik",
        "Iceland",
        "A small bright capital between lava fields and the sea, with hot pools in every quarter.",
        [
            TripRow("Northern lights weekend", "2027-02-05", 3, "890.00", 20, "winter city"),
            TripRow("Across the Vatnajokull glacier", "2027-03-06", 6, "1640.00", 10, "winter hiking"),
            TripRow("Whales of Faxa Bay", "2027-06-19", 5, "1280.00", 12, "wildlife family"),
            TripRow("Puffins of the Westman Islands", "2027-07-03", 4, "1150.00", 9, "wildlife"),
            TripRow("Hot springs of Landmannalaugar", "2027-08-07", 7, "1490.00", 14, "hiking"),
        ],
    ),
    DestinationRow(
        "Marrakesh",
        "marrakesh",
        "Morocco",
        "Red walls, covered markets and quiet courtyards, with snow on the Atlas behind them.",
        [
            TripRow("Riads and souks", "2027-03-20", 4, "480.00", 18, "city culture"),
            TripRow("Cooking in the medina", "2027-04-17", 5, "610.00", 12, "food"),
            TripRow("To the top of Mount Toubkal", "2027-05-08", 6, "690.00", 8, "hiking"),
            TripRow("Camels and kasbahs", "2027-10-16", 7, "820.00", 20, "family culture"),
            TripRow("Essaouira, wind and waves", "2027-09-04", 6, "650.00", 15, "beach"),
        ],
    ),
    DestinationRow(
        "Queenstown",
        "queenstown",
        "New Zealand",
        "A lake town under sharp mountains where every second door rents something to jump with.",
        [
            TripRow("The Routeburn Track", "2027-02-13", 8, "2480.00", 11, "hiking"),
            TripRow("Milford Sound by kayak", "2027-03-13", 7, "2290.00", 12, "wildlife hiking"),
            TripRow("Powder at Coronet Peak", "2027-07-17", 9, "2650.00", 16, "winter"),
            TripRow("Central Otago vineyards", "2027-04-10", 6, "2120.00", 14, "food"),
            TripRow("South Island for families", "2027-12-04", 14, "3190.00", 20, "family wildlife"),
        ],
    ),
    DestinationRow(
        "Cartagena",
        "cartagena",
        "Colombia",
        "Painted balconies inside old sea walls, music until late and islands of white sand offshore.",
        [
            TripRow("Balconies of the walled city", "2027-02-20", 5, "1180.00", 16, "city culture"),
            TripRow("Islands of the Rosario reef", "2027-03-27", 7, "1390.00", 12, "beach wildlife"),
            TripRow("Arepas, ceviche and coffee", "2027-05-22", 6, "1240.00", 10, "food"),
            TripRow("The Lost City trek", "2027-08-14", 9, "1560.00", 12, "hiking culture"),
            TripRow("Caribbean carnival", "2027-11-06", 5, "1320.00", 18, "city family"),
        ],
    ),
    DestinationRow(
        "Zanzibar",
        "zanzibar",
        "Tanzania",
        "Carved doors and spice gardens on an island where the tide goes out for a kilometre.",
        [
            TripRow("Spice gardens and Stone Town", "2027-06-26", 6, "1420.00", 14, "culture food"),
            TripRow("Dhow sailing at Nungwi", "2027-07-10", 8, "1590.00", 16, "beach"),
            TripRow("Red monkeys of Jozani", "2027-08-21", 5, "1350.00", 12, "wildlife family"),
            TripRow("Reefs of Mnemba", "2027-09-18", 7, "1710.00", 10, "beach wildlife"),
            TripRow("Two quiet weeks at Paje", "2027-01-23", 14, "1980.00", 18, "beach"),
        ],
    ),
    DestinationRow(
        "Bergen",
        "bergen",
        "Norway",
        "Wooden wharves under seven mountains, at the door of the longest fjords in the country.",
        [
            TripRow("Into the Hardangerfjord", "2027-05-29", 6, "1190.00", 12, "hiking"),
            TripRow("Seven mountains in one day", "2027-05-27", 4, "860.00", 14, "hiking"),
            TripRow("The coastal steamer north", "2027-02-27", 7, "1680.00", 20, "winter wildlife"),
            TripRow("Grieg, wool and waffles", "2027-06-02", 4, "790.00", 16, "culture food"),
            TripRow("Cross-country skis at Voss", "2027-03-04", 6, "1090.00", 15, "winter family"),
        ],
    ),
    DestinationRow(
        "Hanoi",
        "hanoi",
        "Vietnam",
        "Lakes, lanes and breakfast on the pavement, three hours from a bay of limestone islands.",
        [
            TripRow("Street food by motorbike", "2027-03-18", 5, "990.00", 12, "food city"),
            TripRow("Ha Long Bay under sail", "2027-04-22", 7, "1340.00", 16, "beach"),
            TripRow("Rice terraces of Sa Pa", "2027-09-11", 8, "1260.00", 14, "hiking culture"),
            TripRow("Water puppets and lanterns", "2027-10-23", 6, "1080.00", 8, "culture family"),
            TripRow("The night train to Hue", "2027-11-20", 9, "1410.00", 18, "culture"),
        ],
    ),
    DestinationRow(
        "Quebec City",
        "quebec-city",
        "Canada",
        "A walled town above the Saint Lawrence that speaks French and knows what to do with snow.",
        [
            TripRow("Winter carnival", "2027-02-06", 4, "1120.00", 18, "winter family"),
            TripRow("Maple syrup at the sugar shack", "2027-03-25", 4, "980.00", 16, "food family"),
            TripRow("Belugas of Tadoussac", "2027-08-28", 6, "1370.00", 9, "wildlife"),
            TripRow("Ramparts and bistros", "2027-06-17", 5, "1140.00", 14, "city food"),
            TripRow("Dog sleds of the Laurentians", "2027-01-30", 5, "1460.00", 12, "winter wildlife"),
        ],
    ),
    DestinationRow(
        "Athens",
        "athens",
        "Greece",
        "Marble on every hill, late dinners in the open air and ferries to a hundred islands.",
        [
            TripRow("Morning on the Acropolis", "2027-04-24", 4, "590.00", 18, "city culture"),
            TripRow("Saronic islands by ferry", "2027-06-12", 8, "940.00", 16, "beach"),
            TripRow("Myths for young travellers", "2027-07-24", 6, "830.00", 12, "family culture"),
            TripRow("Tavernas and markets", "2027-05-15", 4, "620.00", 14, "food city"),
            TripRow("Delphi and Mount Parnassus", "2027-10-30", 5, "710.00", 15, "hiking culture"),
        ],
    ),
    DestinationRow(
        "Cape Town",
        "cape-town",
        "South Africa",
        "A city around a flat mountain, between two oceans, an hour from vineyards and penguins.",
        [
            TripRow("Table Mountain and the Cape", "2027-02-24", 7, "1870.00", 16, "hiking wildlife"),
            TripRow("Penguins of Boulders Beach", "2027-11-27", 6, "1750.00", 12, "wildlife family"),
            TripRow("Stellenbosch harvest", "2027-03-09", 6, "1820.00", 14, "food"),
            TripRow("Whales of Hermanus", "2027-09-15", 8, "1960.00", 12, "wildlife"),
            TripRow("Bo-Kaap and the waterfront", "2027-12-11", 5, "1690.00", 20, "city culture"),
        ],
    ),
]
