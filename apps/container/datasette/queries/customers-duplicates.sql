-- title: Customers with the same e-mail
-- group: Customers
-- description: E-mail addresses that stand in more than one customer.
select email, count(*) as customers, group_concat(id, ', ') as ids
from customers
where email is not null and email <> ''
group by email
having count(*) > 1
order by count(*) desc
limit 500
