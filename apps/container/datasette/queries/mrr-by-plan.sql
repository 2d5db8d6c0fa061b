-- title: MRR by product and price
-- group: MRR
-- description: Where the MRR of now comes from. The same rules as MRR now.
-- param: currency = each
-- param: trials = 0 (1: trials count at their full price)
-- param: metered = 0 (1: metered prices count)
-- param: coupons = 1 (0: before discounts)
-- param: past_due = 1 (0: without what is past due)
with items as (
  select s.id as subscription, s.customer, p.currency, p.product, p.id as price, si.id as item, s.status,
    p.unit_amount * coalesce(si.quantity, 1) * 1.0 / case p.recurring ->> 'interval'
      when 'year' then 12 when 'month' then 1 when 'week' then 12.0 / 52 when 'day' then 12.0 / 365 end
      / coalesce(p.recurring ->> 'interval_count', 1) as monthly,
    coalesce((select max(c.percent_off) from discounts d join coupons c on c.id = d.coupon
      where d.subscription = s.id and (d.end is null or d.end > datetime('now'))), 0) as percent_off,
    coalesce((select max(c.amount_off) from discounts d join coupons c on c.id = d.coupon
      where d.subscription = s.id and c.currency = p.currency and (d.end is null or d.end > datetime('now'))), 0)
      * 1.0 / case p.recurring ->> 'interval' when 'year' then 12 when 'month' then 1 when 'week' then 12.0 / 52 when 'day' then 12.0 / 365 end
      / coalesce(p.recurring ->> 'interval_count', 1)
      / (select count(*) from subscription_items o where o.subscription = s.id) as amount_off
  from subscriptions s
  join subscription_items si on si.subscription = s.id
  join prices p on p.id = si.price
  where p.type = 'recurring' and p.unit_amount is not null
    and (s.status = 'active' or (s.status = 'past_due' and :past_due <> '0') or (s.status = 'trialing' and :trials = '1'))
    and (coalesce(p.recurring ->> 'usage_type', 'licensed') = 'licensed' or :metered = '1')
), mrr as (
  select *, case when :coupons = '0' then monthly else max(0, monthly * (1 - percent_off / 100.0) - amount_off) end as mrr
  from items
)
select mrr.product, pr.name, mrr.price,
  (select coalesce(nullif(nickname, ''), money_text(unit_amount, currency) || ' / '
      || iif(coalesce(recurring ->> 'interval_count', 1) = 1, '', (recurring ->> 'interval_count') || ' ') || (recurring ->> 'interval'))
    from prices where id = mrr.price) as plan,
  mrr.currency, count(distinct subscription) as subscriptions, money(sum(mrr), mrr.currency) as mrr
from mrr left join products pr on pr.id = mrr.product
where :currency = '' or mrr.currency = :currency
group by mrr.price, mrr.currency
order by mrr.currency, sum(mrr) desc
