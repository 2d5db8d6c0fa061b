-- title: MRR and its movements by month
-- group: MRR
-- description: MRR at the end of each month, from the lines of invoices and their periods, and why it changed: new, expansion, contraction, churn, reactivation, each judged by customer and currency. The month that runs is taken as of now.
-- param: months = 12
-- param: tz = UTC
-- param: until = now
-- param: currency = each
-- param: trials = 0 (1: trials count at their full price)
-- param: metered = 0 (1: metered prices count)
-- param: coupons = 1 (0: before discounts)
-- param: past_due = 1 (0: without what is past due)
-- param: annual = spread (billed: yearly invoices count whole in their month)
-- param: cancel = end (now: gone when cancelled, not when it ends)
with
-- include: months
,
-- include: prices-per-month
,
-- include: mrr-by-month
,
-- include: mrr-moves
, totals as (
  select i, currency, sum(mrr) as mrr, count(*) as customers from mrr group by i, currency
), currencies as (
  select distinct currency from totals
)
select n.month, c.currency,
  money(coalesce(before.mrr, 0), c.currency) as mrr_before,
  money(coalesce(sum(m.change) filter (where m.kind = 'new'), 0), c.currency) as new,
  money(coalesce(sum(m.change) filter (where m.kind = 'expansion'), 0), c.currency) as expansion,
  money(coalesce(sum(m.change) filter (where m.kind = 'reactivation'), 0), c.currency) as reactivation,
  money(coalesce(sum(m.change) filter (where m.kind = 'contraction'), 0), c.currency) as contraction,
  money(coalesce(sum(m.change) filter (where m.kind = 'churn'), 0), c.currency) as churn,
  money(coalesce(t.mrr, 0), c.currency) as mrr,
  coalesce(t.customers, 0) as customers,
  count(*) filter (where m.kind = 'new') as new_customers,
  count(*) filter (where m.kind = 'reactivation') as returned_customers,
  count(*) filter (where m.kind = 'churn') as lost_customers,
  round(100.0 * count(*) filter (where m.kind = 'churn') / nullif(before.customers, 0), 1) as customer_churn_percent,
  round(100.0 * -coalesce(sum(m.change) filter (where m.kind = 'churn'), 0) / nullif(before.mrr, 0), 1) as mrr_churn_percent,
  round(100.0 * (before.mrr + coalesce(sum(m.change) filter (where m.kind in ('expansion', 'contraction', 'churn')), 0)) / nullif(before.mrr, 0), 1) as net_retention_percent
from numbered n cross join currencies c
left join totals t on t.i = n.i and t.currency = c.currency
left join totals before on before.i = n.i - 1 and before.currency = c.currency
left join moves m on m.i = n.i and m.currency = c.currency
where n.i > 1
group by n.i, c.currency
order by n.month, c.currency
