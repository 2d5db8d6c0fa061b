-- title: MRR by product and price
-- group: MRR
-- description: Where the MRR of now comes from. The same rules as MRR now; without a figure where the price depends on tiers.
-- param: currency = each
-- param: trials = 0 (1: trials count at their full price)
-- param: metered = 0 (1: metered prices count)
-- param: coupons = 1 (0: before discounts)
-- param: past_due = 1 (0: without what is past due)
with
-- include: prices-per-month
,
-- include: mrr-of-now
select mrr.product, pr.name, mrr.price,
  (select coalesce(nullif(nickname, ''), money_text(unit_amount, currency) || ' / '
      || iif(coalesce(recurring ->> 'interval_count', 1) = 1, '', (recurring ->> 'interval_count') || ' ') || (recurring ->> 'interval'))
    from prices where id = mrr.price) as plan,
  mrr.currency, count(distinct subscription) as subscriptions, money(sum(mrr), mrr.currency) as mrr
from mrr left join products pr on pr.id = mrr.product
where :currency = '' or mrr.currency = :currency
group by mrr.price, mrr.currency
order by mrr.currency, sum(mrr) desc
