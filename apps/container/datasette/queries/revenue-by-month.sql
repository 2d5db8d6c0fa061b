-- title: Revenue by month
-- group: Revenue
-- description: From the balance: payments, refunds, disputes and fees by the month they happened, per currency of the balance. Payouts and top-ups are no revenue.
-- param: months = 12
-- param: tz = UTC
-- param: until = now
-- param: currency = each
with months as (
  select value ->> 0 as month, value ->> 1 as begin, value ->> 2 as finish, value ->> 3 as instant
  from json_each(months(:tz, :months, :until))
)
select m.month, t.currency,
  money(sum(t.amount) filter (where t.reporting_category in ('charge', 'payment')), t.currency) as payments,
  money(sum(t.amount) filter (where t.reporting_category in ('refund', 'partial_capture_reversal', 'refund_failure')), t.currency) as refunds,
  money(sum(t.amount) filter (where t.reporting_category in ('dispute', 'dispute_reversal')), t.currency) as disputes,
  money(-sum(t.fee) - coalesce(-sum(t.amount) filter (where t.reporting_category in ('fee', 'network_cost', 'tax')), 0), t.currency) as fees,
  money(sum(t.net), t.currency) as net,
  count(*) as transactions
from months m cross join balance_transactions t on t.created >= m.begin and t.created < m.finish
where t.reporting_category not in ('payout', 'payout_reversal', 'topup', 'topup_reversal', 'transfer', 'transfer_reversal')
  and (:currency = '' or t.currency = :currency)
group by m.month, t.currency
order by m.month, t.currency
