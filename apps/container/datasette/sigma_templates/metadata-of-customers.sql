-- title: Customers by metadata
-- description: One row per key
select key, value, count(distinct customer_id) as customers
from customers_metadata
group by key, value
order by customers desc
limit 50
