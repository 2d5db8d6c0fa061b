-- title: MRR now
-- group: MRR
-- description: Monthly recurring revenue of the subscriptions as they are: price x quantity per month, yearly / 12, weekly x 52 / 12, discounts taken off. Prices whose amount depends on tiers cannot be known from here: their items are counted as left out. Who pays nothing, by price or by discount, is no subscriber.
-- param: currency = each
-- param: trials = 0 (1: trials count at their full price)
-- param: metered = 0 (1: metered prices count)
-- param: coupons = 1 (0: before discounts)
-- param: past_due = 1 (0: without what is past due)
with
-- include: prices-per-month
,
-- include: mrr-of-now
select currency, count(distinct subscription) filter (where mrr > 0) as subscriptions,
  count(distinct customer) filter (where mrr > 0) as customers,
  money(coalesce(sum(mrr), 0), currency) as mrr, money(coalesce(sum(mrr), 0) * 12, currency) as arr,
  money(sum(mrr) / count(distinct customer) filter (where mrr > 0), currency) as per_customer,
  count(*) filter (where mrr is null) as items_left_out
from mrr
where :currency = '' or currency = :currency
group by currency
order by sum(mrr) desc
