-- title: Payouts by month
-- group: Balance and payouts
-- description: What was paid out in each month.
-- param: months = 12
-- param: tz = UTC
-- param: until = now
-- param: currency = each
with
-- include: months
select m.month, p.currency, count(*) as payouts, money(coalesce(sum(p.amount) filter (where p.status not in ('failed', 'canceled')), 0), p.currency) as paid_out,
  money(coalesce(sum(p.amount) filter (where p.status in ('failed', 'canceled')), 0), p.currency) as failed
from months m cross join payouts p on p.created >= m.begin and p.created < m.finish
where (:currency = '' or p.currency = :currency)
group by m.month, p.currency
order by m.month, p.currency
