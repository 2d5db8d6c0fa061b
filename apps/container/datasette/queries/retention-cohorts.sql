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
, cohorts as (
  select cohort, currency, i - cohort as months_later, count(*) as customers, sum(mrr) as mrr
  from (select currency, i, mrr, min(i) over (partition by customer, currency) as cohort from mrr)
  where cohort > 1
  group by cohort, currency, i
)
select n.month as cohort, c.currency, c.months_later, f.customers as customers_at_first, c.customers,
  round(100.0 * c.customers / f.customers, 1) as customers_percent,
  round(100.0 * c.mrr / f.mrr, 1) as mrr_percent
from cohorts c
join cohorts f on f.cohort = c.cohort and f.currency = c.currency and f.months_later = 0
join numbered n on n.i = c.cohort
order by n.month, c.currency, c.months_later
