-- title: Refund rate by month
-- description: Refunded against taken
with taken as (
  select date_trunc('month', created) as month, currency, sum(amount) as amount from charges where paid group by 1, 2
), given as (
  select date_trunc('month', created) as month, currency, sum(amount) as amount from refunds group by 1, 2
)
select t.month, t.currency, t.amount, coalesce(g.amount, 0) as refunded, round(100.0 * coalesce(g.amount, 0) / t.amount, 2) as percent
from taken t left join given g on g.month = t.month and g.currency = t.currency
order by t.month desc
