-- title: Cards that expire soon
-- group: Failed payments
-- description: Cards of customers with a running subscription that expire within two months.
select pm.id, pm.customer, cu.name, cu.email, pm.card ->> 'brand' as brand, pm.card ->> 'last4' as last4,
  pm.card ->> 'exp_year' as exp_year, pm.card ->> 'exp_month' as exp_month
from payment_methods pm
join customers cu on cu.id = pm.customer
where pm.type = 'card'
  and (pm.card ->> 'exp_year') * 12 + (pm.card ->> 'exp_month')
    between cast(strftime('%Y', 'now') as integer) * 12 + cast(strftime('%m', 'now') as integer) - 1
    and cast(strftime('%Y', 'now') as integer) * 12 + cast(strftime('%m', 'now') as integer) + 2
  and exists (select 1 from subscriptions s where s.customer = pm.customer and s.status in ('active', 'trialing', 'past_due'))
order by exp_year, exp_month
limit 1000
