-- title: Products and prices
-- group: Catalogue
-- description: What is sold and what it costs.
select pr.id as product, pr.name, p.id as price, p.nickname, p.unit_amount, p.currency, p.recurring ->> 'interval' as interval,
  p.recurring ->> 'interval_count' as interval_count, p.recurring ->> 'usage_type' as usage_type, p.active,
  (select count(*) from subscription_items si where si.price = p.id) as subscription_items
from products pr left join prices p on p.product = pr.id
order by pr.name, p.unit_amount
limit 2000
