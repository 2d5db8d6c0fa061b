-- Indexes that the site's saved queries and dashboards read instead of the wide rows; one statement a line, made by the
-- engine's process when the table is finished. SQLite plans without statistics (a mirror is never ANALYZEd), so the queries say with + which
-- column not to look up by. An index that changes is made anew under its name. Nothing else may stand in this file.
-- A query has the value of an expression from its index where it names it just so, in a list that is no aggregate (`materialized`).
CREATE INDEX IF NOT EXISTS site_charges ON charges (created, currency, status, amount, amount_captured, amount_refunded, disputed, failure_code, customer, invoice, id);
CREATE INDEX IF NOT EXISTS site_charges_status ON charges (status, created, currency, amount, amount_captured, amount_refunded, customer, invoice, failure_code, payment_intent, payment_method_details ->> '$.type', payment_method_details ->> '$.card.brand', payment_method_details ->> '$.card.wallet.type', coalesce(payment_method_details ->> '$.card.country', billing_details ->> '$.address.country'));
CREATE INDEX IF NOT EXISTS site_balance_transactions ON balance_transactions (created, currency, reporting_category, amount, fee, net, type, status);
CREATE INDEX IF NOT EXISTS site_balance_transactions_source ON balance_transactions (source);
CREATE INDEX IF NOT EXISTS site_balance_transactions_available ON balance_transactions (available_on, currency, type, net, status);
CREATE INDEX IF NOT EXISTS site_balance_transactions_status ON balance_transactions (status, available_on);
CREATE INDEX IF NOT EXISTS site_invoices ON invoices (created, currency, status, total, amount_paid, amount_remaining, tax, subscription, customer, id);
CREATE INDEX IF NOT EXISTS site_invoices_status ON invoices (status, created, currency, total, tax, amount_remaining, due_date, attempt_count, customer, id);
CREATE INDEX IF NOT EXISTS site_payment_intents ON payment_intents (created, currency, status, amount, amount_received, customer, latest_charge, invoice);
CREATE INDEX IF NOT EXISTS site_refunds ON refunds (created, currency, status, amount, reason);
CREATE INDEX IF NOT EXISTS site_disputes ON disputes (created, currency, status, amount, reason);
CREATE INDEX IF NOT EXISTS site_payouts ON payouts (created, currency, status, amount);
CREATE INDEX IF NOT EXISTS site_subscriptions_status ON subscriptions (status, created, customer, currency, discounts, id);
CREATE INDEX IF NOT EXISTS site_customers_email ON customers (email);
CREATE INDEX IF NOT EXISTS site_invoice_line_items ON invoice_line_items (invoice, currency, subscription, price, amount, quantity, proration, discount_amounts, period_json ->> 'start', period_json ->> 'end', iif(instr(taxes, '"inclusive"') > 0, taxes, '[]'));
CREATE INDEX IF NOT EXISTS site_subscriptions_end ON subscriptions (id, status, created, ended_at, canceled_at);
CREATE INDEX IF NOT EXISTS site_charges_customer ON charges (customer, status, currency, amount_captured, amount_refunded);
CREATE INDEX IF NOT EXISTS site_invoices_customer ON invoices (customer, currency, created, subscription, amount_paid);
CREATE INDEX IF NOT EXISTS site_invoices_subscription ON invoices (subscription, amount_paid);
CREATE INDEX IF NOT EXISTS site_invoices_taxes ON invoices (status, created, currency, id, customer_address ->> 'country', customer_address ->> 'state', coalesce(total_taxes, total_tax_amounts)) WHERE status = 'paid';
CREATE INDEX IF NOT EXISTS site_subscription_items ON subscription_items (subscription, price, quantity, id);
CREATE INDEX IF NOT EXISTS site_subscriptions_created ON subscriptions (created, status);
CREATE INDEX IF NOT EXISTS site_subscriptions_ended ON subscriptions (ended_at, status);
CREATE INDEX IF NOT EXISTS site_subscriptions_trial ON subscriptions (trial_end, trial_start, id);
CREATE INDEX IF NOT EXISTS site_charges_payment_intent ON charges (payment_intent, status, created);
CREATE INDEX IF NOT EXISTS site_invoices_id ON invoices (id, created, status, currency, customer, attempt_count);
