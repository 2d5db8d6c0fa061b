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
with months as (
  select value ->> 0 as month, value ->> 1 as begin, value ->> 2 as finish, value ->> 3 as instant
  from json_each(months(:tz, :months, :until))
), numbered as (
  select row_number() over (order by begin) as i, month, instant, unixepoch(instant) as at from months
), span as (
  select max(finish) as finish, datetime(min(begin), '-400 days') as earliest, unixepoch(min(instant)) as first from months
), lines as (
  select inv.customer, l.currency, l.subscription,
    l.period_json ->> 'start' as begin, l.period_json ->> 'end' as finish,
    p.recurring ->> 'interval' as unit, coalesce(p.recurring ->> 'interval_count', 1) as units, l.proration,
    case when l.amount = 0 and :trials = '1' then coalesce(p.unit_amount * l.quantity, 0)
      else l.amount - case when :coupons = '0' or coalesce(l.discount_amounts, '[]') = '[]' then 0
        else (select sum(value ->> 'amount') from json_each(l.discount_amounts)) end end as amount,
    unixepoch(case when :cancel = 'now' then coalesce(s.canceled_at, s.ended_at) else s.ended_at end) as gone
  from span cross join invoices inv on inv.created >= span.earliest and inv.created < span.finish
  cross join invoice_line_items l on l.invoice = inv.id
  left join prices p on p.id = l.price
  left join subscriptions s on s.id = l.subscription
  where l.subscription is not null and inv.status in ('paid', 'open', 'draft')
    and l.period_json ->> 'end' >= span.first
    and (:past_due <> '0' or inv.status = 'paid' or coalesce(inv.attempt_count, 0) = 0)
    and (coalesce(p.recurring ->> 'usage_type', 'licensed') = 'licensed' or :metered = '1')
    and (:currency = '' or l.currency = :currency)
), monthly as (
  select customer, currency, subscription, begin,
    case when :annual = 'billed' and unit = 'year' then unixepoch(begin, 'unixepoch', '+1 month')
      when gone < finish then gone else finish end as finish,
    amount * 1.0
      * case when proration and unit is not null and finish > begin then
          (finish - unixepoch(finish, 'unixepoch', '-' || (units * case unit when 'week' then 7 else 1 end) || ' ' || case unit when 'week' then 'day' else unit end)) * 1.0 / (finish - begin)
        else 1 end
      / case when :annual = 'billed' and unit = 'year' then 1
        when unit is null then max((finish - begin) / 2629800.0, 0.03)
        else units * case unit when 'year' then 12 when 'month' then 1 when 'week' then 12.0 / 52 else 12.0 / 365 end end as mrr
  from lines
), mrr as (
  select n.i, n.month, n.instant, x.customer, x.currency, sum(x.mrr) as mrr
  from monthly x join numbered n on x.begin < n.at and x.finish >= n.at
  group by n.i, x.customer, x.currency
  having sum(x.mrr) > 0.5
), first as (
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
