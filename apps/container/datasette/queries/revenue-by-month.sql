-- title: Revenue by month
-- group: Revenue
-- description: From the balance: payments, refunds, disputes, fees and everything else by the month they happened, per currency of the balance; they add up to net. Payouts, top-ups, transfers, reserves and loans are no revenue.
-- param: months = 12
-- param: tz = UTC
-- param: until = now
-- param: currency = each
with
-- include: months
select m.month, t.currency,
  money(coalesce(sum(t.amount) filter (where t.reporting_category in ('charge', 'payment', 'charge_failure')), 0), t.currency) as payments,
  money(coalesce(sum(t.amount) filter (where t.reporting_category in ('refund', 'partial_capture_reversal', 'refund_failure')), 0), t.currency) as refunds,
  money(coalesce(sum(t.amount) filter (where t.reporting_category in ('dispute', 'dispute_reversal')), 0), t.currency) as disputes,
  money(-sum(t.fee) - coalesce(-sum(t.amount) filter (where t.reporting_category in ('fee', 'network_cost', 'tax')), 0), t.currency) as fees,
  money(coalesce(sum(t.amount) filter (where t.reporting_category not in ('charge', 'payment', 'charge_failure', 'refund', 'partial_capture_reversal',
    'refund_failure', 'dispute', 'dispute_reversal', 'fee', 'network_cost', 'tax')), 0), t.currency) as other,
  money(sum(t.net), t.currency) as net,
  count(*) as transactions
from months m cross join balance_transactions t on t.created >= m.begin and t.created < m.finish
where t.reporting_category not in ('payout', 'payout_reversal', 'payout_minimum_balance_hold', 'payout_minimum_balance_release', 'topup', 'topup_reversal',
    'transfer', 'transfer_reversal', 'risk_reserved_funds', 'connect_reserved_funds', 'advance', 'advance_funding', 'anticipation_repayment',
    'financing_payout', 'financing_payout_reversal', 'financing_paydown', 'financing_paydown_reversal')
  and (:currency = '' or t.currency = :currency)
group by m.month, t.currency
order by m.month, t.currency
