"""Sigma's tables and columns in terms of the mirror's. What stands here is data; the rules are in names.py."""

# Sigma's table -> SQL of a view of the mirror. Tables of the same name that only differ in columns are not here.
VIEWS = {
    "invoice_items": "select * from invoiceitems",
    "customer_tax_ids": "select * from tax_ids",
    "payment_reviews": "select * from reviews",
    "checkout_line_items": "select * from checkout_session_line_items",
    "balance_transaction_fee_details": """select t.id || '-' || d.key as id, t.id as balance_transaction_id, d.value ->> 'amount' as amount,
  d.value ->> 'application' as application, d.value ->> 'currency' as currency, d.value ->> 'description' as description,
  d.value ->> 'type' as type from balance_transactions t, json_each(t.fee_details) d""",
    "summarized_balance_transactions": """select date(created) as date, reporting_category, currency, count(*) as count, sum(amount) as amount,
  sum(fee) as fee, sum(net) as net from balance_transactions group by 1, 2, 3""",
    "plans": """select id, active, unit_amount as amount, created, currency, recurring ->> 'interval' as interval,
  recurring ->> 'interval_count' as interval_count, recurring ->> 'trial_period_days' as trial_period_days,
  recurring ->> 'usage_type' as usage_type, product as product_id, nickname, billing_scheme, tiers_mode
  from prices where type = 'recurring'""",
    "price_tiers": """select p.id as price_id, t.value ->> 'up_to' as upto, t.value ->> 'unit_amount' as amount,
  t.value ->> 'unit_amount_decimal' as amount_decimal, t.value ->> 'flat_amount' as flat_amount,
  t.value ->> 'flat_amount_decimal' as flat_amount_decimal from prices p, json_each(p.tiers) t""",
    "transfers": """select id, amount, 0 as amount_reversed, automatic, created, currency, description, status, statement_descriptor, type,
  failure_code, failure_message, arrival_date as date, destination as destination_id, balance_transaction as balance_transaction_id,
  method as payout_method, source_type, 0 as reversed, null as transfer_group, null as source_transaction_id from payouts""",
    "invoice_line_item_tax_amounts": """select l.invoice as invoice_id, l.id as invoice_line_item_id, t.value ->> 'amount' as amount,
  (t.value ->> 'tax_behavior') = 'inclusive' as inclusive, t.value ->> '$.tax_rate_details.tax_rate' as tax_rate,
  t.value ->> 'taxable_amount' as taxable_amount from invoice_line_items l, json_each(l.taxes) t""",
    "invoice_line_item_discount_amounts": """select l.invoice as invoice_id, l.id as invoice_line_item_id, d.value ->> 'amount' as amount,
  d.value ->> 'discount' as discount from invoice_line_items l, json_each(l.discount_amounts) d""",
    "credit_note_tax_amounts": """select n.id as credit_note_id, t.value ->> 'amount' as amount,
  t.value ->> '$.tax_rate_details.tax_rate' as tax_rate_id from credit_notes n, json_each(n.total_taxes) t""",
    "invoice_custom_fields": """select i.id as invoice_id, f.value ->> 'name' as name, f.value ->> 'value' as value
  from invoices i, json_each(i.custom_fields) f""",
}

# Columns that are neither there under Sigma's name nor follow a rule of names.py. {t} is the table's alias.
CARD = "{t}.payment_method_details ->> '$.card"
COLUMNS = {
    "charges": {
        "card_brand": f"sigma_card_brand({CARD}.brand')",
        "card_cvc_check": f"{CARD}.checks.cvc_check'",
        "card_address_line1_check": f"{CARD}.checks.address_line1_check'",
        "card_address_zip_check": f"{CARD}.checks.address_postal_code_check'",
        "card_tokenization_method": f"{CARD}.wallet.type'",
        "card_dynamic_last4": f"{CARD}.wallet.dynamic_last4'",
        "card_name": "{t}.billing_details ->> '$.name'",
        "card_address_zip": "{t}.billing_details ->> '$.address.postal_code'",
        "card_customer_id": "{t}.customer",
        "card_id": "case when {t}.payment_method like 'card\\_%' escape '\\' then {t}.payment_method end",
        "source_id": "{t}.payment_method",
        "destination_id": "{t}.transfer_data ->> '$.destination'",
        "payment_method_type": "{t}.payment_method_details ->> '$.type'",
        "outcome_rule_id": "coalesce({t}.outcome ->> '$.rule.id', {t}.outcome ->> '$.rule')",
        "invoice_id": "{t}.invoice",
        "dispute_id": "(select d.id from disputes d where d.charge = {t}.id limit 1)",
        "captured_at": "(select b.created from balance_transactions b where b.id = {t}.balance_transaction)",
        **{f"card_address_{part}": f"{{t}}.billing_details ->> '$.address.{part}'" for part in ("city", "country", "line1", "line2", "state")},
        **{f"card_{part}": f"{CARD}.{part}'" for part in "country exp_month exp_year fingerprint funding last4 network".split()},
    },
    "customers": {
        "account_balance": "{t}.balance",
        "deleted": "0",
        "discount_coupon_id": "(select d.coupon from discounts d where d.id = {t}.discount)",
        "discount_start": '(select d.start from discounts d where d.id = {t}.discount)',
        "discount_end": '(select d."end" from discounts d where d.id = {t}.discount)',
    },
    "subscriptions": {
        "billing": "{t}.collection_method",
        "start": "{t}.start_date",
        "plan_id": "(select case when count(*) = 1 then max(i.price) end from subscription_items i where i.subscription = {t}.id)",
        "price_id": "(select case when count(*) = 1 then max(i.price) end from subscription_items i where i.subscription = {t}.id)",
        "quantity": "(select case when count(*) = 1 then max(i.quantity) end from subscription_items i where i.subscription = {t}.id)",
        "discount_coupon_id": "(select d.coupon from discounts d where d.subscription = {t}.id order by d.start desc limit 1)",
        "discount_start": "(select d.start from discounts d where d.subscription = {t}.id order by d.start desc limit 1)",
        "discount_end": '(select d."end" from discounts d where d.subscription = {t}.id order by d.start desc limit 1)',
    },
    "subscription_items": {
        "created": "cast(strftime('%s', {t}.created) as integer)",
        "plan_id": "{t}.price",
        **{
            f"{kind}_{name}": f"(select p.{source} from prices p where p.id = {{t}}.price)"
            for kind in ("plan", "price")
            for name, source in {"amount": "unit_amount", "created": "created", "currency": "currency", "nickname": "nickname", "product_id": "product"}.items()
        },
        **{
            f"{kind}_{name}": f"(select p.recurring ->> '{name}' from prices p where p.id = {{t}}.price)"
            for kind in ("plan", "price")
            for name in ("interval", "interval_count", "trial_period_days")
        },
    },
    "invoices": {
        "date": "{t}.created",
        "paid": "({t}.status = 'paid')",
        "charge_id": "{t}.charge",
        "discount_coupon_id": "(select d.coupon from discounts d where d.id = {t}.discounts ->> 0)",
        "parent_id": "coalesce({t}.parent ->> '$.subscription_details.subscription', {t}.parent ->> '$.quote_details.quote')",
        "customer_description": "(select c.description from customers c where c.id = {t}.customer)",
    },
    "invoice_line_items": {
        "source_type": "case when {t}.type = 'invoiceitem' then 'invoice_item' else {t}.type end",
        "source_id": "case when {t}.type = 'subscription' then {t}.subscription else coalesce({t}.invoice_item, {t}.id) end",
        "subscription": "case when {t}.type = 'subscription' then null else {t}.subscription end",
        "plan_id": "{t}.price",
        "period_start": "datetime({t}.period_json ->> 'start', 'unixepoch')",
        "period_end": "datetime({t}.period_json ->> 'end', 'unixepoch')",
        "total_discount": "(select coalesce(sum(d.value ->> 'amount'), 0) from json_each({t}.discount_amounts) d)",
        "total_exclusive_tax": "(select coalesce(sum(x.value ->> 'amount'), 0) from json_each({t}.taxes) x where x.value ->> 'tax_behavior' = 'exclusive')",
    },
    "invoice_items": {
        "date": "{t}.date_ts",
        "plan_id": "{t}.price",
        "period_start": "datetime({t}.period_json ->> 'start', 'unixepoch')",
        "period_end": "datetime({t}.period_json ->> 'end', 'unixepoch')",
    },
    "refunds": {"refund_description": "{t}.description", "refund_payment_intent": "{t}.payment_intent"},
    "prices": {"meter_id": "{t}.recurring ->> 'meter'"},
    "promotion_codes": {"expires_at": "cast(strftime('%s', {t}.expires_at) as integer)"},
    "credit_notes": {"refund_id": "{t}.refund"},
    "balance_transactions": {"source_id": "{t}.source", "automatic_transfer_id": "(select p.id from payouts p where p.automatic = 1 and p.currency = {t}.currency and p.created >= {t}.available_on order by p.created limit 1)"},
    "checkout_line_items": {"checkout_session_id": "{t}.checkout_session", "price_id": "{t}.price ->> '$.id'", "product_id": "{t}.price ->> '$.product'"},
    "discounts": {"coupon_id": "{t}.coupon", "created": "{t}.start"},
}  # fmt: skip

# Lists that Sigma shows as one text.
JOINED = frozenset("payment_method_types preferred_locales discounts".split())

# What Stripe's API does not tell, and why or what to take instead.
MISSING_TABLES = {
    "subscription_item_change_events": "Stripe computes it and shows it in Sigma only; the saved query mrr-movements has MRR and its movements, from invoices",
    "customer_change_events": "Stripe computes it and shows it in Sigma only; the saved query mrr-movements has MRR and its movements, from invoices",
    "itemized_fees": "it exists in Sigma only; balance_transaction_fee_details has the fees of each transaction",
    "activity_report_itemized": "it exists in Sigma only; balance_transactions has every movement",
    "icplus_fees": "it exists in Sigma only",
    "exchange_rates_from_usd": "it exists in Sigma only; balance_transactions.exchange_rate has the rate of each transaction",
    "radar_rules": "Stripe's API does not hand out Radar's rules",
    "radar_rule_attributes": "Stripe's API does not hand out Radar's attributes",
    "authentication_report_attempts": "it exists in Sigma only",
    "usage_records": "Stripe has removed usage records; billing_meters and their summaries took their place",
}
MISSING_COLUMNS = {
    "charges": {"order_id", "card_currency", "card_recipient_id", "card_iin", "card_default_for_currency", "card_token_type"},
    "customers": {"business_vat_id", "tax_info_tax_id", "tax_info_type", "sources_data_id", "tax_ip_address", "discount_schedule_id"},
    "disputes": {"partner_processed_at"},
    "invoices": {"tax_percent"},
    "subscriptions": {"tax_percent", "cancellation_reason_text", "status_details"},
    "plans": {"aggregate_usage"},
    "products": {"caption", "deactivate_on"},
    "transfers": {"application_fee"},
}
APPROXIMATIONS = {
    ("balance_transactions", "automatic_transfer_id"): "automatic_transfer_id is taken to be the first automatic payout in the currency after a transaction became available: Stripe's lists do not say it.",
    ("subscriptions", "start"): "subscriptions.start is start_date: the start of the current plan is not in Stripe's API.",
    ("charges", "captured_at"): "charges.captured_at is the time of the charge's balance transaction.",
}
