"""What may stand beside a number: units of measure, currencies, bounds. English; names as a noun's stem."""

from __future__ import annotations

UNITS = {
    name: (dimension, factor)
    for dimension, factor, names in (
        ("metre", 1000.0, "km kilometer kilometre"),
        ("metre", 1.0, "metre meter"),
        ("metre", 0.01, "cm centimeter centimetre"),
        ("metre", 0.001, "mm millimeter millimetre"),
        ("metre", 1609.344, "mile mi"),
        ("metre", 0.9144, "yard yd"),
        ("metre", 0.3048, "foot feet ft"),
        ("metre", 0.0254, "inch inche"),
        ("gram", 1.0, "gram"),
        ("gram", 1000.0, "kg kilogram kilo"),
        ("gram", 453.59237, "pound lb"),
        ("gram", 28.349523, "ounce oz"),
        ("gram", 1e6, "ton tonne"),
        ("second", 60.0, "minute min"),
        ("second", 3600.0, "hour"),
        ("second", 86400.0, "day"),
        ("second", 604800.0, "week"),
    )
    for name in names.split()
}
"""Name -> dimension and factor to its base unit."""

CURRENCIES = {
    name: currency
    for currency, names in (
        ("dollar", "$ dollar usd"),
        ("euro", "€ euro eur"),
        ("sterling", "£ gbp"),
        ("yen", "¥ yen"),
        ("rupee", "₹ rupee"),
        ("yuan", "yuan"),
    )
    for name in names.split()
}
"""Sign or name -> currency. Amounts in two currencies are never compared: there are no rates here."""

BOUNDS = {
    phrase: bound
    for bound, phrases in (
        (">", "more than;over;above;exceeding;greater than;in excess of;higher than;upwards of;exceeded;surpassed"),
        (">", "surpassing"),
        (">=", "at least;no fewer than;no less than;minimum of;as many as;not less than"),
        ("<", "less than;fewer than;under;below;lower than"),
        ("<=", "at most;up to;no more than;maximum of;not more than"),
        ("~", "about;around;approximately;roughly;some;circa;c;approx;estimated;nearly;almost;close to;average of;~"),
    )
    for phrase in phrases.split(";")
}
"""Words before a number -> ">", ">=", "<", "<=" or "~"."""

YEAR_BOUNDS = {
    phrase: bound
    for bound, phrases in (
        (">=", "since;after;later than"),
        ("<=", "by;until;till;before;earlier than;prior to"),
        ("~", "about;around;circa;c"),
    )
    for phrase in phrases.split(";")
}
"""The same for a year; inclusive, for "before 2017" may still be in it: what the bound holds for may end then."""
