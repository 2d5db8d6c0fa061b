-- title: Balance movements by month and category
-- group: Balance and payouts
-- description: Every movement of the balance, as Stripe's balance summary reports it.
-- param: months = 12
-- param: tz = UTC
-- param: until = now
-- param: currency = each
with
-- include: months
select m.month, t.currency, t.reporting_category, count(*) as transactions, money(sum(t.amount), t.currency) as gross,
  money(-sum(t.fee), t.currency) as fees, money(sum(t.net), t.currency) as net
from months m cross join balance_transactions t on t.created >= m.begin and t.created < m.finish
where (:currency = '' or t.currency = :currency)
group by m.month, t.currency, t.reporting_category
order by m.month, t.currency, t.reporting_category
