-- title: Active subscriptions with their plans
-- description: Subscriptions, prices and products
select s.id, s.customer_id, s.status, s.start, p.id as price_id, p.unit_amount, p.currency, p.recurring_interval, pr.name as product
from subscriptions s
join prices p on p.id = s.price_id
join products pr on pr.id = p.product_id
where s.status = 'active'
limit 100
