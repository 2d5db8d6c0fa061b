-- title: Stripe's fees by month
-- group: Balance and payouts
-- description: Fees by kind, and what part of the payments they were together.
-- param: months = 12
-- param: tz = UTC
-- param: until = now
-- param: currency = each
with
-- include: months
select m.month, t.currency, money(sum(t.fee), t.currency) as fees_on_transactions,
  money(-coalesce(sum(t.amount) filter (where t.reporting_category in ('fee', 'network_cost', 'tax')), 0), t.currency) as fees_billed,
  round(100.0 * (sum(t.fee) - coalesce(sum(t.amount) filter (where t.reporting_category in ('fee', 'network_cost', 'tax')), 0)) / nullif(sum(t.amount) filter (where t.reporting_category in ('charge', 'payment', 'charge_failure')), 0), 2) as percent_of_payments
from months m cross join balance_transactions t on t.created >= m.begin and t.created < m.finish
where (:currency = '' or t.currency = :currency)
group by m.month, t.currency
order by m.month, t.currency
