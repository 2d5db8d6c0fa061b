-- title: Open quotes
-- group: Checkout
-- description: Offers that nobody has accepted yet.
select id, number, created, expires_at, status, customer, amount_total, currency
from quotes
where status in ('draft', 'open')
order by created
limit 1000
