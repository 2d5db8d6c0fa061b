-- title: Balance now
-- group: Balance and payouts
-- description: What is available, on its way and reserved, as Stripe last said.
select 'available' as state, value ->> 'currency' as currency, money(value ->> 'amount', value ->> 'currency') as balance from balances, json_each(balances.available)
union all
select 'pending', value ->> 'currency', money(value ->> 'amount', value ->> 'currency') from balances, json_each(balances.pending)
union all
select 'reserved', value ->> 'currency', money(value ->> 'amount', value ->> 'currency') from balances, json_each(balances.connect_reserved)
order by 2, 1
