-- title: Customers by metadata
-- group: Customers
-- description: Keys and values that your software has noted on customers, and how often.
-- param: key = each
select m.key, m.value, count(*) as customers
from customers cu, json_each(cu.metadata) m
where cu.metadata is not null and (:key = '' or m.key = :key)
group by m.key, m.value
order by count(*) desc
limit 500
