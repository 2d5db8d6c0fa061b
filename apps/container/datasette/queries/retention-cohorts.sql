-- title: Retention cohorts
-- group: MRR
-- description: Customers by the month in which they first paid for a subscription, and how many of them (and how much of their MRR) are still there so many months later.
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
, first as (
  select customer, currency, min(i) as cohort from mrr group by customer, currency
), sizes as (
  select f.cohort, f.currency, count(*) as customers, sum(m.mrr) as mrr
  from first f join mrr m on m.customer = f.customer and m.currency = f.currency and m.i = f.cohort
  group by f.cohort, f.currency
)
select n.month as cohort, f.currency, m.i - f.cohort as months_later, s.customers as customers_at_first, count(*) as customers,
  round(100.0 * count(*) / s.customers, 1) as customers_percent,
  round(100.0 * sum(m.mrr) / s.mrr, 1) as mrr_percent
from first f
join mrr m on m.customer = f.customer and m.currency = f.currency
join numbered n on n.i = f.cohort
join sizes s on s.cohort = f.cohort and s.currency = f.currency
where f.cohort > 1
group by f.cohort, f.currency, m.i - f.cohort
order by n.month, f.currency, 3
