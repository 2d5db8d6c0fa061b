-- title: MRR by customer
-- group: MRR
-- description: The customers behind the MRR of now, the 200 largest of each currency.
-- param: currency = each
-- param: trials = 0 (1: trials count at their full price)
-- param: metered = 0 (1: metered prices count)
-- param: coupons = 1 (0: before discounts)
-- param: past_due = 1 (0: without what is past due)
with
-- include: prices-per-month
,
-- include: mrr-of-now
, ranked as (
  select customer, currency, count(distinct subscription) as subscriptions, sum(mrr) as mrr,
    row_number() over (partition by currency order by sum(mrr) desc) as place
  from mrr
  where (:currency = '' or currency = :currency) and mrr is not null
  group by customer, currency
)
select r.customer, cu.name, cu.email, r.currency, r.subscriptions, money(r.mrr, r.currency) as mrr
from ranked r left join customers cu on cu.id = r.customer
where r.place <= 200
order by r.currency, r.place
