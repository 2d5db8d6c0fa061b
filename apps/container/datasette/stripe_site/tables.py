"""What the site knows of each table: where it stands in Stripe's dashboard, what a row is called, what to show first."""

from dataclasses import dataclass

# Groups in the order of Stripe's own dashboard.
GROUPS = (
    "Payments",
    "Balances",
    "Customers",
    "Product catalogue",
    "Billing",
    "Checkout and links",
    "Tax",
    "Radar",
    "Connect",
    "Usage and entitlements",
    "Issuing",
    "Treasury",
    "Financial Connections",
    "Terminal",
    "Identity",
    "Climate",
    "Reporting",
    "Developers",
    "Settings",
)

# table | group | description | label column | path in Stripe's dashboard | columns shown first
# A dashboard path of "-" means that objects of this kind have no page of their own there: Stripe's search is opened.
_TABLE_LINES = """
charges|Payments|Each attempt to take money, successful or not|description|payments|created amount currency status customer description amount_refunded failure_code payment_intent balance_transaction
payment_intents|Payments|A payment from its creation to its success, over all its attempts|description|payments|created amount currency status customer description amount_received latest_charge payment_method
refunds|Payments|Money given back for a charge||refunds|created amount currency status reason charge payment_intent balance_transaction failure_reason
disputes|Payments|Charges that a customer's bank disputes|reason|disputes|created amount currency status reason charge payment_intent is_charge_refundable
setup_intents|Payments|Payment details saved for later|description|setup_intents|created status customer description payment_method usage latest_attempt
setup_attempts|Payments|Each try to confirm a setup intent||-|created status setup_intent customer payment_method usage
mandates|Payments|Permissions to debit a customer|type|-|status type payment_method
payment_methods|Payments|Cards, debits and wallets that customers pay with|type|-|created type customer billing_details card
sources|Payments|Payment sources of the older API|type|-|created type status amount currency customer
source_transactions|Payments|Money received through a source|type|-|created type amount currency status source
cards|Payments|Cards saved through the older API|last4|-|brand last4 exp_month exp_year funding country customer name
bank_accounts|Payments|Bank accounts saved through the older API|last4|-|bank_name last4 country currency status customer account_holder_name
payment_intent_amount_details_line_items|Payments|Line items told to the card network (level 2 and 3)|product_name|-|product_name quantity unit_cost discount_amount
payment_records|Payments|Payments made outside Stripe and reported to it|description|-|created amount customer_details processor_details
payment_attempt_records|Payments|Attempts of payments made outside Stripe|description|-|created amount payment_record
forwarding_requests|Payments|Card details forwarded to another processor||-|created url payment_method
balance_transactions|Balances|Every movement of the Stripe balance, with its fee|description|balance|created type reporting_category amount fee net currency status available_on source description
balances|Balances|The balance as it is now: available, pending, reserved||balance|available pending connect_reserved instant_available
balance_settings|Balances|How the balance is paid out||settings/payouts|payments
payouts|Balances|Money sent from the Stripe balance to the bank|description|payouts|created amount currency status arrival_date method automatic destination failure_code balance_transaction
topups|Balances|Money added to the Stripe balance from the bank|description|topups|created amount currency status expected_availability_date description
transfers|Connect|Money sent to a connected account|description|connect/transfers|created amount currency destination amount_reversed reversed source_transaction description
transfer_reversals|Connect|Transfers taken back||-|created amount currency transfer balance_transaction
cash_balances|Balances|Money that a customer has sent and that is not used yet||customers|customer available
customer_cash_balance_transactions|Balances|Movements of a customer's cash balance|type|-|created type net_amount ending_balance currency customer
customers|Customers|Who pays|name|customers|created name email description balance currency delinquent phone default_source
customer_balance_transactions|Customers|Movements of a customer's credit balance|description|-|created type amount ending_balance currency customer invoice description
tax_ids|Customers|Tax numbers of customers and of the account|value|-|created type value country customer verification
products|Product catalogue|What is sold|name|products|created name active description default_price unit_label tax_code
prices|Product catalogue|What it costs, once or per period|nickname|prices|created product nickname unit_amount currency type recurring active lookup_key
plans|Product catalogue|Recurring prices in the older form|nickname|prices|created product nickname amount currency interval interval_count active
coupons|Product catalogue|Discounts that can be given|name|coupons|created name percent_off amount_off currency duration duration_in_months times_redeemed valid
promotion_codes|Product catalogue|Codes that customers type to get a coupon|code|promotion_codes|created code coupon active customer times_redeemed max_redemptions expires_at
discounts|Product catalogue|Coupons in use||-|start end customer subscription invoice promotion_code source
shipping_rates|Product catalogue|What shipping costs|display_name|shipping-rates|created display_name type active fixed_amount tax_behavior
tax_rates|Product catalogue|Tax rates kept by hand|display_name|tax-rates|created display_name percentage inclusive country state active
subscriptions|Billing|Customers' subscriptions: state, period, trial|description|subscriptions|created customer status current_period_start current_period_end trial_end cancel_at_period_end canceled_at collection_method
subscription_items|Billing|What a subscription is made of: prices and quantities||-|created subscription price quantity current_period_end
subscription_schedules|Billing|Planned changes of subscriptions||subscription_schedules|created status customer subscription end_behavior completed_at canceled_at
invoices|Billing|Invoices, drafts included|number|invoices|created number status total amount_paid amount_remaining currency customer subscription due_date collection_method
invoice_line_items|Billing|Lines of invoices|description|-|invoice description amount currency quantity price subscription proration
invoice_payments|Billing|Which payment paid which invoice||-|created invoice amount_paid amount_requested currency status is_default
invoiceitems|Billing|Items waiting for an invoice, or added to one by hand|description|-|date customer description amount currency quantity invoice subscription proration
credit_notes|Billing|Corrections of invoices|number|credit_notes|created number status total currency customer invoice reason type
credit_note_line_items|Billing|Lines of credit notes|description|-|description amount quantity unit_amount type invoice_line_item
quotes|Billing|Offers that become invoices or subscriptions|number|quotes|created number status amount_total currency customer expires_at invoice subscription
quote_line_items|Billing|Lines of quotes|description|-|description amount_total amount_subtotal currency quantity price
quote_computed_upfront_line_items|Billing|What a quote asks for at its start|description|-|description amount_total currency quantity price
invoice_rendering_templates|Billing|Templates of invoices|nickname|-|created nickname status version
checkout_sessions|Checkout and links|Visits to Stripe's checkout page||checkout/sessions|created mode status payment_status amount_total currency customer payment_intent subscription
checkout_session_line_items|Checkout and links|What was in a checkout|description|-|description amount_total amount_subtotal currency quantity price
payment_links|Checkout and links|Links that lead to a checkout||payment-links|url active currency billing_address_collection
payment_link_line_items|Checkout and links|What a payment link sells|description|-|description amount_total currency quantity price
tax_registrations|Tax|Where tax is collected|country|tax/registrations|created country status active_from expires_at
tax_settings|Tax|Settings of Stripe Tax||settings/tax|status defaults head_office
tax_transactions|Tax|Tax of sales recorded with Stripe Tax|reference|-|created reference type currency customer
tax_transaction_line_items|Tax|Lines of tax transactions|reference|-|reference amount amount_tax quantity tax_code
tax_codes|Tax|Stripe's kinds of goods for tax|name|-|name description
early_fraud_warnings|Radar|Warnings of card issuers that a charge may be fraud|fraud_type|radar/early_fraud_warnings|created fraud_type actionable charge payment_intent
reviews|Radar|Payments waiting for a person's decision|reason|radar/reviews|created reason open closed_reason charge payment_intent
radar_value_lists|Radar|Lists used in Radar's rules|name|radar/lists|created name alias item_type
radar_value_list_items|Radar|Entries of Radar's lists|value|-|created value value_list created_by
accounts|Connect|Connected accounts|email|connect/accounts|created email business_type country charges_enabled payouts_enabled details_submitted type
account_capabilities|Connect|What a connected account may do||-|account status requested requested_at
account_persons|Connect|People behind a connected account|last_name|-|created first_name last_name email account relationship
external_account_bank_accounts|Connect|Bank accounts of connected accounts|last4|-|bank_name last4 country currency status account
external_account_cards|Connect|Debit cards of connected accounts|last4|-|brand last4 exp_month exp_year country account
application_fees|Connect|Fees taken from connected accounts' charges||connect/application_fees|created amount currency account charge amount_refunded refunded
application_fee_refunds|Connect|Application fees given back||-|created amount currency fee balance_transaction
billing_meters|Usage and entitlements|Meters that count usage|display_name|meters|created display_name event_name status
billing_meter_event_summaries|Usage and entitlements|Usage per customer and period||-|meter start_time end_time aggregated_value
billing_credit_grants|Usage and entitlements|Credit given to customers|name|-|created name category customer effective_at expires_at
billing_credit_balance_transactions|Usage and entitlements|Movements of customers' credit|type|-|created type credit_grant effective_at
billing_alerts|Usage and entitlements|Alerts on usage|title|-|title alert_type status
billing_feedback_options|Usage and entitlements|Reasons offered to cancelling customers||-|
entitlements_features|Usage and entitlements|Features that products give|name|-|name lookup_key active
entitlements_active_entitlements|Usage and entitlements|Features that customers have now|lookup_key|-|lookup_key feature
product_features|Usage and entitlements|Which product gives which feature||-|entitlement_feature
issuing_authorizations|Issuing|Requests to pay with an issued card||issuing/authorizations|created amount currency status approved card cardholder
issuing_cardholders|Issuing|Who has an issued card|name|issuing/cardholders|created name email status type
issuing_cards|Issuing|Cards issued|last4|issuing/cards|created last4 brand status type cardholder
issuing_disputes|Issuing|Disputes of issued cards' payments|status|issuing/disputes|created amount currency status transaction
issuing_personalization_designs|Issuing|Looks of issued cards|name|-|created name status physical_bundle
issuing_physical_bundles|Issuing|What issued cards are made of|name|-|name status type
issuing_transactions|Issuing|Payments with issued cards||issuing/transactions|created amount currency type card cardholder authorization
issuing_tokens|Issuing|Issued cards in wallets||-|created status network card
treasury_financial_accounts|Treasury|Accounts that hold money|nickname|treasury/financial_accounts|created status country balance
treasury_credit_reversals|Treasury|Received credits sent back||-|created amount currency status received_credit
treasury_debit_reversals|Treasury|Received debits taken back||-|created amount currency status received_debit
treasury_inbound_transfers|Treasury|Money pulled in|description|-|created amount currency status description
treasury_outbound_payments|Treasury|Money sent to others|description|-|created amount currency status description customer
treasury_outbound_transfers|Treasury|Money sent to own accounts|description|-|created amount currency status description
treasury_received_credits|Treasury|Money received|description|-|created amount currency status description
treasury_received_debits|Treasury|Money taken by others|description|-|created amount currency status description
treasury_transactions|Treasury|Movements of financial accounts|description|-|created amount currency status description
treasury_transaction_entries|Treasury|Parts of those movements|type|-|created type flow_type transaction
financial_connections_accounts|Financial Connections|Bank accounts that customers have linked|display_name|-|created display_name institution_name category status last4
financial_connections_account_owners|Financial Connections|Owners of linked accounts|name|-|name email ownership
financial_connections_transactions|Financial Connections|Movements of linked accounts|description|-|transacted_at amount currency status description account
terminal_configurations|Terminal|Settings of card readers|name|terminal|name is_account_default
terminal_locations|Terminal|Where card readers stand|display_name|terminal/locations|display_name address
terminal_readers|Terminal|Card readers|label|terminal/readers|label device_type serial_number status location
identity_verification_sessions|Identity|Checks of people's identity|status|identity/verification-sessions|created status type last_verification_report
identity_verification_reports|Identity|Results of identity checks|type|identity/verification-reports|created type verification_session
climate_orders|Climate|Carbon removal bought||climate/orders|created amount_total currency status product
climate_products|Climate|Carbon removal on offer|name|-|name delivery_year metric_tons_available
climate_suppliers|Climate|Who removes carbon|name|-|name removal_pathway
reporting_report_types|Reporting|Reports that Stripe can make|name|-|name version updated
reporting_report_runs|Reporting|Reports that were asked for|report_type|reports|created report_type status succeeded_at
scheduled_query_runs|Reporting|Sigma's scheduled queries|title|sigma/queries|created title status data_load_time
exchange_rates|Reporting|Exchange rates of today||-|rates
country_specs|Reporting|What Stripe offers in each country||-|default_currency supported_payment_currencies
files|Developers|Files uploaded or made|filename|-|created filename purpose size type
file_links|Developers|Links to files|url|-|created file url expires_at
webhook_endpoints|Developers|Where Stripe sends events|url|webhooks|created url status description api_version
apps_secrets|Developers|Names of apps' secrets|name|-|created name scope
test_clocks|Developers|Simulated time in test mode|name|test-clocks|created name status frozen_time
events|Developers|Everything that happened, kept for good|type|events|created type object_id api_version
billing_portal_configurations|Settings|Settings of the customer portal||-|created active is_default name
payment_method_configurations|Settings|Which payment methods are offered|name|settings/payment_methods|name active is_default
payment_method_domains|Settings|Domains that may show wallets|domain_name|settings/payment_method_domains|created domain_name enabled
apple_pay_domains|Settings|Domains registered for Apple Pay|domain_name|-|created domain_name
own_account|Settings|The account that is mirrored|email|settings/account|created email country default_currency charges_enabled payouts_enabled business_profile
"""

# The mirror's own tables: useful to whoever asks how true the data is, in nobody's way otherwise.
MIRROR_TABLES = {
    "td_metadata": "Which account and mode, heartbeat, version of the data",
    "td_state": "Where the engine is with events and polling",
    "td_todo": "Objects that are still to be fetched one by one",
    "td_runs": "Downloads and updates that ran",
    "td_progress": "The download, table by table",
    "td_requests": "Requests to Stripe per day and purpose, against the allowance",
    "td_deleted": "The last state of what Stripe no longer has",
    "td_proof": "What comparing with Stripe found",
}


@dataclass(frozen=True)
class Table:
    """One table of the mirror."""

    name: str
    group: str
    description: str
    #: The column that names a row to a person, when it has a value.
    label: "str | None"
    #: Path of the object's page in Stripe's dashboard, without the id.
    dashboard: "str | None"
    #: Columns that a table page shows unless asked for others; those that the table has.
    columns: "tuple[str, ...]"


def _parse(line: str) -> Table:
    name, group, description, label, dashboard, columns = line.split("|")
    if group not in GROUPS:
        raise ValueError(f"{name}: no group {group}")
    return Table(name, group, description, label or None, None if dashboard == "-" else dashboard, tuple(columns.split()))


TABLES = {table.name: table for table in map(_parse, _TABLE_LINES.strip().splitlines())}

# Prefixes of ids that say of which kind an object is, wherever the id stands. Prefixes are no contract of Stripe's:
# they make links and give search a hint, nothing else.
PREFIXES = {
    "acct": "accounts", "ba": "bank_accounts", "bpc": "billing_portal_configurations", "btok": "bank_accounts",
    "card": "cards", "cbtxn": "customer_balance_transactions", "ccsbtxn": "customer_cash_balance_transactions",
    "ch": "charges", "clock": "test_clocks", "cn": "credit_notes", "cnli": "credit_note_line_items",
    "credgr": "billing_credit_grants", "cs": "checkout_sessions", "cus": "customers", "di": "discounts", "dp": "disputes",
    "du": "disputes", "evt": "events", "fa": "treasury_financial_accounts", "fca": "financial_connections_accounts",
    "feat": "entitlements_features", "fee": "application_fees", "file": "files", "fr": "application_fee_refunds",
    "frr": "reporting_report_runs", "iauth": "issuing_authorizations", "ic": "issuing_cards", "ich": "issuing_cardholders",
    "idp": "issuing_disputes", "ii": "invoiceitems", "il": "invoice_line_items", "in": "invoices",
    "inpay": "invoice_payments", "ipi": "issuing_transactions", "issfr": "early_fraud_warnings", "link": "file_links",
    "mandate": "mandates", "mtr": "billing_meters", "par": "payment_attempt_records", "person": "account_persons",
    "pi": "payment_intents", "plan": "plans", "plink": "payment_links", "pm": "payment_methods",
    "pmc": "payment_method_configurations", "po": "payouts", "pr": "payment_records", "price": "prices",
    "prod": "products", "promo": "promotion_codes", "prv": "reviews", "py": "charges", "pyr": "refunds", "qt": "quotes",
    "re": "refunds", "rsl": "radar_value_lists", "rsli": "radar_value_list_items", "setatt": "setup_attempts",
    "seti": "setup_intents", "shr": "shipping_rates", "si": "subscription_items", "src": "sources",
    "sub": "subscriptions", "sub_sched": "subscription_schedules", "taxreg": "tax_registrations",
    "tml": "terminal_locations", "tmr": "terminal_readers", "tr": "transfers", "trr": "transfer_reversals",
    "tu": "topups", "txcd": "tax_codes", "txi": "tax_ids", "txn": "balance_transactions", "txr": "tax_rates",
    "vr": "identity_verification_reports", "vs": "identity_verification_sessions", "we": "webhook_endpoints",
}  # fmt: skip


def table_of_id(value: str) -> "str | None":
    """The table that an object's id belongs to by its prefix: `cus_123` -> `customers`."""
    head, separator, tail = value.partition("_")
    # `card_declined` is a code, `card_1ABC` a card: Stripe's own ids have digits or capitals.
    if not separator or not head.isalpha() or not any(c.isdigit() or c.isupper() for c in tail):
        return None
    if value.startswith("sub_sched_"):
        return PREFIXES["sub_sched"]
    return PREFIXES.get(head)
