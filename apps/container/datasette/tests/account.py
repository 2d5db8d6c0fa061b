"""
A small synthetic account as rows of the mirror: every currency kind, trials, yearly and metered prices, coupons, past due
and cancelled subscriptions, failed and recovered payments, refunds, disputes, payouts. The same each time.
"""

import random
import sqlite3
from datetime import datetime, timedelta, timezone
from pathlib import Path

import schema

NOW = datetime(2026, 6, 15, 12, 0, 0, tzinfo=timezone.utc)
PRICES = [
    # id, product, currency, unit amount, interval, count, usage type
    ("price_basic_month", "prod_basic", "usd", 2900, "month", 1, "licensed"),
    ("price_basic_year", "prod_basic", "usd", 29000, "year", 1, "licensed"),
    ("price_team_month", "prod_team", "eur", 9900, "month", 1, "licensed"),
    ("price_team_quarter", "prod_team", "eur", 27000, "month", 3, "licensed"),
    ("price_japan_month", "prod_basic", "jpy", 3000, "month", 1, "licensed"),
    ("price_kuwait_month", "prod_basic", "kwd", 9500, "month", 1, "licensed"),
    ("price_weekly", "prod_team", "usd", 1000, "week", 1, "licensed"),
    ("price_calls", "prod_calls", "usd", 2, "month", 1, "metered"),
]
NAMES = ["José Álvarez", "Zoë Müller", "Łukasz Nowak", "=HYPERLINK(\"http://x.example\")", "O'Brien & Sons", "<b>Bold</b> GmbH"]


def text(moment: "datetime | None") -> "str | None":
    return moment.strftime("%Y-%m-%d %H:%M:%S") if moment else None


class Account:
    """Collects rows by table; `write` puts them into a file."""

    def __init__(self, customers: int = 60, seed: int = 7):
        self.random = random.Random(seed)
        self.rows: "dict[str, list[dict]]" = {}
        self._number = 0
        self._catalogue()
        for index in range(customers):
            self._customer(index)
        self._payouts()

    def add(self, table: str, **row) -> dict:
        self.rows.setdefault(table, []).append(row)
        return row

    def id(self, prefix: str) -> str:
        self._number += 1
        return f"{prefix}_{self._number:08d}"

    def event(self, kind: str, object_id: str, moment: datetime, payload: dict, previous=None) -> None:
        self.add(
            "events", id=self.id("evt"), object_id=object_id, object=payload.get("object"), type=kind, created=text(moment),
            api_version="2026-08-26.dahlia", previous_attributes=previous,
            payload={"object": "event", "type": kind, "data": {"object": payload, "previous_attributes": previous}},
        )  # fmt: skip

    def _catalogue(self) -> None:
        start = text(NOW - timedelta(days=900))
        for product, name in (("prod_basic", "Basic"), ("prod_team", "Team"), ("prod_calls", "API calls")):
            self.add("products", id=product, name=name, active=1, created=start, livemode=0)
        for price, product, currency, amount, interval, count, usage in PRICES:
            self.add(
                "prices", id=price, product=product, currency=currency, unit_amount=amount, type="recurring", active=1,
                created=start, billing_scheme="per_unit", livemode=0, unit_amount_decimal=str(amount),
                recurring={"interval": interval, "interval_count": count, "usage_type": usage, "trial_period_days": None},
            )  # fmt: skip
        self.add("coupons", id="HALF", name="Half price", percent_off=50.0, duration="forever", valid=1, created=start)
        self.add(
            "coupons", id="TEN", name="Ten off", amount_off=1000, currency="usd", duration="repeating",
            duration_in_months=3, valid=1, created=start,
        )  # fmt: skip
        self.add("balances", id="acct_demo1", available=[{"amount": 123456, "currency": "usd"}], pending=[], livemode=0)
        self.add("own_account", id="acct_demo1", email="owner@example.com", country="US", default_currency="usd")

    def _customer(self, index: int) -> None:
        rng = self.random
        customer = f"cus_{index:06d}"
        created = NOW - timedelta(days=rng.randint(10, 880), seconds=rng.randint(0, 86_000))
        name = NAMES[index] if index < len(NAMES) else f"Customer {index}"
        price = PRICES[index % len(PRICES)]
        self.add(
            "customers", id=customer, name=name, email=f"person{index}@example.com", created=text(created),
            currency=price[2], balance=0, delinquent=int(index % 13 == 0), livemode=0, metadata={"plan_code": f"P{index}"},
        )  # fmt: skip
        self.event("customer.created", customer, created, {"id": customer, "object": "customer", "name": name})
        if index % 10 == 9:
            self._single_payment(customer, created, price[2])
            return
        self._subscription(index, customer, created, price)

    def _subscription(self, index: int, customer: str, created: datetime, price) -> None:
        subscription, item = self.id("sub"), self.id("si")
        interval, count = price[4], price[5]
        days = {"week": 7, "month": 30, "year": 365}[interval] * count
        trial_days = 14 if index % 4 == 1 else 0
        ended = index % 7 == 3
        status = "canceled" if ended else "active"
        if not ended and index % 13 == 0:
            status = "past_due"
        trial_end = created + timedelta(days=trial_days) if trial_days else None
        if trial_end and trial_end > NOW:
            status, ended = "trialing", False
        end = created + timedelta(days=days * 2 + 3) if ended else None
        if end and end > NOW:
            end, status = None, "active"
        coupon = {0: "HALF", 6: "TEN"}.get(index % 8) if price[2] == "usd" else None
        discount = None
        if coupon:
            discount = self.id("di")
            finish = created + timedelta(days=90) if coupon == "TEN" else None
            self.add(
                "discounts", id=discount, coupon=coupon, customer=customer, subscription=subscription,
                start=text(created), end=text(finish), end_ts=text(finish), source={"coupon": coupon, "type": "coupon"},
            )  # fmt: skip
        quantity = 1 + index % 3 if price[6] == "licensed" else None
        self.add("subscription_items", id=item, subscription=subscription, price=price[0], quantity=quantity, created=text(created))
        moment, latest = created + timedelta(days=trial_days), None
        limit = end or NOW
        while moment <= limit and price[6] == "licensed":
            failing = status == "past_due" and moment + timedelta(days=days) > limit
            latest = self._invoice(customer, subscription, item, price, quantity, moment, coupon, failing, created)
            moment += timedelta(days=days)
        self.add(
            "subscriptions", id=subscription, customer=customer, status=status, created=text(created),
            currency=price[2], start_date=text(created), trial_start=text(created) if trial_end else None,
            trial_end=text(trial_end), canceled_at=text(end), ended_at=text(end), cancel_at_period_end=0,
            current_period_start=text(moment - timedelta(days=days)), current_period_end=text(moment),
            collection_method="charge_automatically", discounts=[discount] if discount else [], discount=discount,
            latest_invoice=latest, livemode=0,
        )  # fmt: skip
        self.event("customer.subscription.created", subscription, created, {"id": subscription, "object": "subscription", "customer": customer, "status": "active"})
        if end:
            self.event("customer.subscription.deleted", subscription, end, {"id": subscription, "object": "subscription", "customer": customer, "status": "canceled"})

    def _invoice(self, customer, subscription, item, price, quantity, moment, coupon, failing, began) -> str:
        invoice = self.id("in")
        subtotal = price[3] * quantity
        off = 0
        if coupon == "HALF":
            off = subtotal // 2
        elif coupon == "TEN" and moment < began + timedelta(days=90):
            off = min(1000, subtotal)
        tax = (subtotal - off) // 5 if price[2] == "eur" else 0
        total = subtotal - off + tax
        days = {"week": 7, "month": 30, "year": 365}[price[4]] * price[5]
        line = self.id("il")
        self.add(
            "invoice_line_items", id=line, invoice=invoice, amount=subtotal, currency=price[2], quantity=quantity,
            description=f"{quantity} × {price[1]}", price=price[0], subscription=subscription, subscription_item=item,
            type="subscription", proration=0, discount_amounts=[{"amount": off, "discount": "di"}] if off else [],
            period_json={"start": int(moment.timestamp()), "end": int((moment + timedelta(days=days)).timestamp())},
            taxes=[{"amount": tax, "tax_behavior": "exclusive", "taxable_amount": subtotal - off}] if tax else [], livemode=0,
        )  # fmt: skip
        intent, charge = self._payment(customer, total, price[2], moment, invoice, failing)
        self.add(
            "invoices", id=invoice, number=f"INV-{self._number:06d}", customer=customer, subscription=subscription,
            status="open" if failing else "paid", paid=int(not failing), created=text(moment), currency=price[2],
            subtotal=subtotal, tax=tax, total=total, amount_due=total, amount_paid=0 if failing else total,
            amount_remaining=total if failing else 0, attempt_count=1 + int(failing), attempted=1,
            collection_method="charge_automatically", billing_reason="subscription_cycle", payment_intent=intent,
            charge=charge, next_payment_attempt=text(NOW + timedelta(days=3)) if failing else None,
            due_date=None, customer_email=None, period_start=text(moment), period_end=text(moment), livemode=0,
            total_taxes=[{"amount": tax, "tax_behavior": "exclusive"}] if tax else [],
            status_transitions={"finalized_at": int(moment.timestamp()), "paid_at": None if failing else int(moment.timestamp())},
        )  # fmt: skip
        self.add(
            "invoice_payments", id=self.id("inpay"), invoice=invoice, amount_requested=total, amount_paid=0 if failing else total,
            currency=price[2], created=text(moment), is_default=1, status="open" if failing else "paid",
            payment={"type": "payment_intent", "payment_intent": intent}, livemode=0,
        )  # fmt: skip
        self.event("invoice.paid" if not failing else "invoice.payment_failed", invoice, moment, {"id": invoice, "object": "invoice", "customer": customer})
        return invoice

    def _single_payment(self, customer: str, moment: datetime, currency: str) -> None:
        for month in range(3):
            when = moment + timedelta(days=30 * month)
            if when <= NOW:
                self._payment(customer, 5000 + month, currency, when, None, False)

    def _payment(self, customer, amount, currency, moment, invoice, failing) -> "tuple[str, str | None]":
        intent = self.id("pi")
        recovered = not failing and self.random.random() < 0.08
        charge = None
        details = {"type": "card", "card": {"brand": "visa", "last4": "4242", "country": "US", "funding": "credit"}}
        common = dict(
            amount=amount, currency=currency, customer=customer, payment_intent=intent, invoice=invoice, livemode=0,
            payment_method_details=details, payment_method_details_type="card", description="Payment",
        )  # fmt: skip
        if failing or recovered:
            failed = self.id("ch")
            self.add(
                "charges", id=failed, created=text(moment), status="failed", paid=0, captured=0, amount_captured=0,
                amount_refunded=0, refunded=0, failure_code="card_declined", failure_message="Your card was declined.",
                disputed=0, **common,
            )  # fmt: skip
            charge = failed
        if not failing:
            when = moment + timedelta(days=2) if recovered else moment
            charge = self.id("ch")
            refunded = self.random.choice([0, 0, 0, 0, 0, 0, 0, amount, amount // 4])
            disputed = int(self.random.random() < 0.04 and not refunded)
            fee = amount * 29 // 1000 + (30 if currency == "usd" else 0)
            transaction = self._transaction("charge", charge, amount, fee, currency, when)
            self.add(
                "charges", id=charge, created=text(when), status="succeeded", paid=1, captured=1, amount_captured=amount,
                amount_refunded=refunded, refunded=int(refunded == amount), disputed=disputed,
                balance_transaction=transaction, **common,
            )  # fmt: skip
            self.event("charge.succeeded", charge, when, {"id": charge, "object": "charge", "amount": amount, "currency": currency, "customer": customer})
            if refunded:
                self._refund(charge, intent, refunded, currency, when + timedelta(days=5))
            if disputed:
                self._dispute(charge, intent, amount, currency, when + timedelta(days=20))
        self.add(
            "payment_intents", id=intent, amount=amount, currency=currency, customer=customer, created=text(moment),
            status="requires_payment_method" if failing else "succeeded", amount_received=0 if failing else amount,
            latest_charge=charge, invoice=invoice, livemode=0, description="Payment",
            last_payment_error={"code": "card_declined"} if failing else None,
        )  # fmt: skip
        return intent, charge

    def _refund(self, charge, intent, amount, currency, moment) -> None:
        if moment > NOW:
            moment = NOW
        refund = self.id("re")
        transaction = self._transaction("refund", refund, -amount, 0, currency, moment)
        self.add(
            "refunds", id=refund, charge=charge, payment_intent=intent, amount=amount, currency=currency,
            created=text(moment), status="succeeded", reason="requested_by_customer", balance_transaction=transaction,
        )  # fmt: skip

    def _dispute(self, charge, intent, amount, currency, moment) -> None:
        dispute = self.id("dp")
        won = self.random.random() < 0.4
        self._transaction("adjustment", dispute, -amount, 1500, currency, moment, "dispute")
        self.add(
            "disputes", id=dispute, charge=charge, payment_intent=intent, amount=amount, currency=currency,
            created=text(moment), status="won" if won else "needs_response", reason="fraudulent", livemode=0,
            evidence_details={"due_by": int((NOW + timedelta(days=6)).timestamp()), "has_evidence": False, "past_due": False, "submission_count": 0},
        )  # fmt: skip

    def _transaction(self, kind, source, amount, fee, currency, moment, category=None, available=None) -> str:
        transaction = self.id("txn")
        available = available or moment + timedelta(days=2)
        self.add(
            "balance_transactions", id=transaction, type=kind, reporting_category=category or kind, source=source,
            amount=amount, fee=fee, net=amount - fee, currency=currency, created=text(moment),
            available_on=text(available), status="available" if available <= NOW else "pending",
            fee_details=[{"amount": fee, "currency": currency, "type": "stripe_fee", "description": "Stripe processing fees"}] if fee else [],
        )  # fmt: skip
        return transaction

    def _payouts(self) -> None:
        """On the third of each month and per currency, what became available since the payout before."""
        moments = [datetime(2024 + m // 12, m % 12 + 1, 3, tzinfo=timezone.utc) for m in range(48)]
        open_rows = sorted(self.rows["balance_transactions"], key=lambda row: row["available_on"])
        for currency in sorted({row["currency"] for row in open_rows}):
            waiting = [row for row in open_rows if row["currency"] == currency]
            for moment in moments:
                if moment > NOW:
                    break
                ready = [row for row in waiting if row["available_on"] <= text(moment)]
                net = sum(row["net"] for row in ready)
                if net <= 0:
                    continue
                waiting = [row for row in waiting if row["available_on"] > text(moment)]
                failed = moment.month == 3
                payout = self.id("po")
                transaction = self._transaction("payout", payout, -net, 0, currency, moment, available=moment)
                if failed:
                    back = moment + timedelta(days=3)
                    self._transaction("payout_failure", payout, net, 0, currency, back, available=back)
                    waiting.append(self.rows["balance_transactions"][-1])
                self.add(
                    "payouts", id=payout, amount=net, currency=currency, created=text(moment), automatic=1, method="standard",
                    arrival_date=text(moment + timedelta(days=2)), status="failed" if failed else "paid", type="bank_account",
                    failure_code="account_closed" if failed else None, balance_transaction=transaction, livemode=0,
                )  # fmt: skip

    def write(self, path: "str | Path") -> None:
        db = sqlite3.connect(path)
        schema.create(db)
        db.execute(
            "INSERT INTO td_metadata VALUES (1, '0.1.0', '2026-08-26.dahlia', 'acct_demo1', ?, 1, ?, 1)",
            ['{"id":"acct_demo1","settings":{"dashboard":{"display_name":"Example Company"}},"business_profile":{"name":"Example Company"}}', text(NOW)],
        )
        for table, rows in self.rows.items():
            schema.insert(db, table, rows)
            db.execute('INSERT INTO td_progress ("table", state, rows, pages, share) VALUES (?, ?, ?, 1, 1.0)', [table, "done", len(rows)])
        schema.create_indexes(db)
        db.commit()
        db.close()


if __name__ == "__main__":
    import sys

    Account(int(sys.argv[2]) if len(sys.argv) > 2 else 60).write(sys.argv[1])
