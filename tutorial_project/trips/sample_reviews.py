"""What sample travellers say: a verdict by rating, then a remark by the trip's first theme."""

RATINGS = [5, 4, 5, 3, 4, 5, 2, 4, 5, 4, 1, 5, 3]

VERDICTS = {
    5: ["Worth every cent.", "The best week of the year.", "Booked again before we were home.", "Go."],
    4: ["Very good.", "Nearly perfect.", "Lovely, with one long bus ride.", "I would go again."],
    3: ["Good in parts.", "Fine, no more than that.", "A nice place, too full a programme."],
    2: ["Not what the description promised.", "Too much waiting."],
    1: ["The hotel had lost our booking.", "It rained, and nobody had a plan for that."],
}

REMARKS = {
    "beach": [
        "The water was warm before breakfast.",
        "Bring shoes for the reef.",
        "The room was thirty steps from the sand.",
    ],
    "city": [
        "The guide knew every back street.",
        "Stay one night longer than you planned.",
        "Everything worth seeing is within a walk.",
    ],
    "culture": [
        "Our guide told stories instead of dates.",
        "The early start saved us the crowds.",
        "Read a little about it before you leave.",
    ],
    "family": [
        "The children still talk about it.",
        "Short days, and that was right for us.",
        "Ask for the family room.",
    ],
    "food": [
        "Arrive hungry.",
        "The market tour alone was worth the journey.",
        "Crème brûlée, and a supper of nine dishes.",
    ],
    "hiking": [
        "Good boots are not optional.",
        "The third day is steep and the view repays it.",
        "Small group, patient guide.",
    ],
    "wildlife": [
        "We saw more than we had hoped for.",
        "Take binoculars and patience.",
        "The boat kept a respectful distance.",
    ],
    "winter": [
        "Colder than you think: take a second pair of gloves.",
        "Clear sky on two nights of three: 100 % worth it.",
        "Hot soup at every stop.",
    ],
}
