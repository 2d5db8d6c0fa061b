"""Amounts as money. Stripe keeps amounts as integers in the currency's smallest unit."""

from decimal import Decimal

# https://docs.stripe.com/currencies#zero-decimal
ZERO_DECIMAL = frozenset("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split())
THREE_DECIMAL = frozenset("bhd jod kwd omr tnd".split())
# Kept with two decimals for old callers, but nobody pays in fractions of them: shown without when there are none.
WHOLE_IN_EFFECT = frozenset("isk ugx".split())

NO_BREAK_SPACE = "\u00a0"


def decimals(currency: str) -> int:
    """How many digits of an amount stand behind the decimal point."""
    code = currency.lower()
    if code in ZERO_DECIMAL:
        return 0
    return 3 if code in THREE_DECIMAL else 2


def to_decimal(amount: "int | str | Decimal", currency: str) -> Decimal:
    """The amount in whole units of the currency; exact, fractions of the smallest unit included."""
    return Decimal(str(amount)).scaleb(-decimals(currency))


def format_money(amount: "int | str | Decimal", currency: str) -> str:
    """
    `123456, 'usd'` -> `1,234.56 USD`. Digits that the currency does not have are shown only when they are there
    (unit_amount_decimal), and the sign stands in front.
    """
    value = to_decimal(amount, currency)
    places = decimals(currency)
    if currency.lower() in WHOLE_IN_EFFECT and value == value.to_integral_value():
        places = 0
    exponent = value.normalize().as_tuple().exponent
    if isinstance(exponent, int):
        places = max(places, -exponent)
    sign = "\u2212" if value < 0 else ""
    return f"{sign}{abs(value):,.{places}f}{NO_BREAK_SPACE}{currency.upper()}"
