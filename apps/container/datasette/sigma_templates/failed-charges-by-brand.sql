-- title: Failed charges by card brand
-- description: What failed in the last 30 days, with the customer
select charges.id, charges.amount, charges.currency, charges.card_brand, charges.failure_code, charges.failure_message, customers.email
from charges
join customers on customers.id = charges.customer_id
where charges.status = 'failed' and charges.created > data_load_time - interval '30' day
order by charges.created desc
limit 100
